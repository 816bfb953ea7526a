"""Every edit: what it changes, how it is recorded, applied and undone."""
