"""Jobs as the terminal application follows and launches them."""
