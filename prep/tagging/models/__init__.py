"""Taggers as files: which are known, what their files promise, and how they are obtained."""
