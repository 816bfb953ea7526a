"""Tagging: tagger models, where they come from, their input pixels, and the stored scores."""
