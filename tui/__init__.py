"""The terminal application, and the front door of the command line."""
