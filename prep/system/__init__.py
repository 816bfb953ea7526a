"""The operating system, carefully: files, locks, threads, and jobs that outlive a terminal."""
