"""Scripts that compare us with the limit and with peers; see README.md."""
