"""Advice about a dataset as a whole; every rule stands here once, for `plan` and `advise`."""
