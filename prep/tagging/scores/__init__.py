"""Scores: stored completely, thresholded, combined, compared, and written as tags."""
