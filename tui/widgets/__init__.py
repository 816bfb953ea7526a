"""Widgets: they take data and post messages, independent of screens."""
