"""The list of notices: what was told since the start, the newest first."""

import time
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from prep.language import _
from tui.notices import Notice
from tui.widgets.rewrapped import Rewrapped, hanging

_INDENT = 4
_COLOURS = {"information": "$text-muted", "warning": "$text-warning", "error": "$text-error"}


class Notices(ModalScreen[None]):
    """All notices, each as a whole."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,N", "dismiss(None)", "Back"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, notices: Sequence[Notice]) -> None:
        """Make the list.

        Args:
            notices: The oldest first.
        """
        super().__init__()
        self._notices = notices

    def compose(self) -> ComposeResult:
        """Compose the list."""
        with VerticalScroll(classes="dialog wide") as dialog:
            dialog.border_title = _("Notices")
            dialog.border_subtitle = _("esc closes")
            yield Rewrapped(self._text)

    def _text(self, columns: int) -> Content:
        if not self._notices:
            return Content(_("Nothing was told yet."))
        parts: list[str | tuple[str, str]] = []
        for notice in reversed(self._notices):
            when = time.strftime("%H:%M:%S", time.localtime(notice.when))
            text = hanging(notice.text, _INDENT, columns)
            parts += [
                (f"{when}  {notice.heading}\n", f"bold {_COLOURS[notice.severity]}"),
                f"{' ' * _INDENT}{text}\n\n",
            ]
        return Content.assemble(*parts)

    def action_scroll(self, lines: int) -> None:
        """Scroll, also with letter keys."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
