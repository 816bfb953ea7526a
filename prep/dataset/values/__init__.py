"""Values that filters ask for, kept in ``cache.db``: tokens, scores, quality."""
