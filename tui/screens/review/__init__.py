"""Stage 0: everything that wants a decision, one thing at a time."""

from tui.screens.review.screen import ReviewScreen as ReviewScreen
