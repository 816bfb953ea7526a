"""Files, locks, threads, and jobs that outlive a terminal."""
