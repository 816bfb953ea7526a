"""Running a tagger: in this process or on a cluster."""
