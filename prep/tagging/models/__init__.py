"""Taggers as files: which are known, how their files are read, and where they are obtained."""
