"""Analysis of a whole dataset: duplicates, quality, vocabulary, checks, advice."""
