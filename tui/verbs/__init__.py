"""The verbs of the command line: their table, and a form for each of them."""
