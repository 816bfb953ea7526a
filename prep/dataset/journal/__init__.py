"""Edits: what they change, and how they are recorded, applied and undone."""
