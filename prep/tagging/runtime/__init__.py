"""Running a tagger: pixels in, scores out; in this process or on a cluster."""
