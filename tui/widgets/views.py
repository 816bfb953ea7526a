"""The views of a stage, as one line of tabs: their keys and names; a click goes there."""

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static


class ViewTabs(Static):
    """Shows which view is open; ``show`` marks another one."""

    ALLOW_SELECT = False

    def __init__(self, views: Sequence[tuple[str, str, str]], *, id: str | None = None) -> None:  # noqa: A002
        """Create the line.

        Args:
            views: Key, name and title of each; ``action_view`` of the screen opens them.
            id: Name in the stylesheet.
        """
        super().__init__(id=id, classes="view-tabs")
        self._views = views

    def show(self, name: str) -> None:
        """Mark a view as the open one."""
        parts: list[Content] = []
        for key, view, title in self._views:
            style = "bold reverse" if view == name else "$text-muted"
            tab = Content.styled(f" {key} ", "bold $text-accent") + Content.styled(
                f" {title} ", style
            )
            parts.append(tab.stylize(f"@click=screen.view({view!r})"))
        self.update(Content("  ").join(parts))
