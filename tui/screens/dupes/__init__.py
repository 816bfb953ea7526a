"""Stage 2: duplicates, side by side; all but one are excluded, never deleted."""

from tui.screens.dupes.screen import DupesScreen as DupesScreen
