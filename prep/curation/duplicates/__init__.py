"""Duplicates: finding pictures that are the same, and what to do about them."""
