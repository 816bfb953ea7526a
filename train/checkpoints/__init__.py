"""Base models on disk, in single files and in folders: what they are, and their weights."""
