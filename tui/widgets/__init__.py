"""Widgets: they take data and post messages; they know no screen."""
