"""Scores: kept whole, cut by thresholds, combined, compared, and written as tags."""
