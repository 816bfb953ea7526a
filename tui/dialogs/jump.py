"""Jump mode: a letter on everything that can be focused; pressing it goes there."""

from collections.abc import Mapping
from string import ascii_letters

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.geometry import Offset, Region
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Static


def targets(screen: Screen[object]) -> dict[str, tuple[Widget, Region]]:
    """Return what can be focused and is seen, by the letters for it, in reading order."""
    chain = ((widget, screen.find_widget(widget).visible_region) for widget in screen.focus_chain)
    seen = [(widget, region) for widget, region in chain if region]
    seen.sort(key=lambda found: (found[1].y, found[1].x))
    return dict(zip(ascii_letters, seen, strict=False))


class Jump(ModalScreen[Widget | None]):
    """Shows the letters; returns what was jumped to, ``None`` for any other key."""

    AUTO_FOCUS = ""

    def __init__(self, found: Mapping[str, tuple[Widget, Region]]) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        """Put each letter on the corner of what it stands for."""
        for letter, (_, region) in self._found.items():
            mark = Static(Content(f" {letter} "), classes="jump-letter")
            mark.styles.offset = Offset(region.x, region.y)
            yield mark

    def on_key(self, event: events.Key) -> None:
        """Go there, or back."""
        event.stop()
        found = self._found.get(event.character or "")
        self.dismiss(found[0] if found else None)

    def on_click(self) -> None:
        """Go back."""
        self.dismiss(None)
