"""What is wrong with this machine, and what it can train."""
