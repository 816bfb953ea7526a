"""Many images: indexed, asked about, and changed through a journal."""
