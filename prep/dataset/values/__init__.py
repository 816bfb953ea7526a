"""Values used by filters, stored in ``cache.db``: tokens, scores, quality."""
