"""Bulk edits of captions."""
