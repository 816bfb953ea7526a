"""Bulk edits of captions, and what they need to know."""
