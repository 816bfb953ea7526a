"""The terminal application in a browser: a small server, and a process of it for each visitor."""
