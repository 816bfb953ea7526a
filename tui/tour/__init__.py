"""A tour in three steps on the demo project, for somebody who sees the application first."""
