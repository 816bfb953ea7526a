"""Dialogs that lie over a stage until they are answered."""
