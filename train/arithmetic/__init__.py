"""Numbers: noise, precision, memory; knows no model and no file."""
