"""What is wrong: with a run, from its records, and with this machine. Nothing is changed."""
