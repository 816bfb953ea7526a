"""Tagging: WD models, where they come from, their pixels, and the scores that are kept."""
