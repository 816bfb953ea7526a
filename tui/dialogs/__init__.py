"""Dialogs over a stage."""
