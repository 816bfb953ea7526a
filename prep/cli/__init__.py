"""The command line of dataset work, a module for each group of verbs; no logic here."""
