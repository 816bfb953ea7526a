"""Many images: indexed, queried, and changed through a journal."""
