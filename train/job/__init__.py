"""A run as a job: how it is begun, started, commanded and followed."""
