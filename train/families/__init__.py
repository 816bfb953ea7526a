"""One module per base model family: load, encode a prompt, predict, and its key table."""
