"""Advice about a dataset as a whole; every rule is here once, for `plan` and `advise`."""
