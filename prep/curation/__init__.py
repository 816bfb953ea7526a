"""Looking at a dataset as a whole: duplicates, quality, words, checks, advice."""
