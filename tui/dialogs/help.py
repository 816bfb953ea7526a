"""The help screen: all keys."""

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from prep.language import _
from prep.language.wrapping import wrapped
from tui import commands

_KEYS = 17
"""Terminal cells of the column of keys."""
_WIDEST = 92
_AROUND = 8
"""Cells of border, padding and scroll bar."""


class Help(ModalScreen[None]):
    """All keys, those of the current stage first."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss(None)", "Back"),
        Binding("j", "scroll(1)", "Down", show=False),
        Binding("k", "scroll(-1)", "Up", show=False),
    ]

    def __init__(self, mode: str, keymap: Mapping[str, str], pictures: str = "") -> None:
        """Make the screen.

        Args:
            mode: The current stage.
            keymap: Keys that a person changed, by the ids of commands.
            pictures: How pictures are drawn.
        """
        super().__init__()
        self._mode, self._keymap, self._pictures = mode, keymap, pictures

    def compose(self) -> ComposeResult:
        """Compose the list."""
        with VerticalScroll(classes="dialog help") as dialog:
            dialog.border_title = _("Keys")
            dialog.border_subtitle = _("esc closes")
            yield Static()

    def on_resize(self, _event: events.Resize) -> None:
        """Fill the width that there is."""
        self.query_one(Static).update(self._text())

    def _text(self) -> Content:
        room = min(_WIDEST, int(0.94 * self.app.size.width)) - _AROUND - _KEYS
        headings = sorted(commands.titles(), key=lambda item: item[0] != self._mode)
        parts: list[str | tuple[str, str]] = []
        for scope, heading in headings:
            found = commands.of(scope)
            if found:
                parts.append((f"{heading}\n", "bold $text-primary"))
            for command in found:
                parts.append((f"  {command.label(self._keymap):<{_KEYS - 2}}", "bold"))
                parts += _columns(_(command.help), command.id, room)
        if self._pictures:
            parts += [(f"{_('Pictures')}\n", "bold $text-primary"), f"  {self._pictures}\n"]
        return Content.assemble(*parts)

    def action_scroll(self, lines: int) -> None:
        """Scroll, also with letter keys."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)


def _columns(text: str, name: str, room: int) -> list[str | tuple[str, str]]:
    """Return what a key does, and at the right its name: below, where both do not fit."""
    indent = " " * _KEYS
    *lines, last = wrapped(text, room)
    gap = room - cell_len(last) - cell_len(name)
    if gap < 2:
        lines, last, gap = [*lines, last], "", room - cell_len(name)
    above = "".join(f"{line}\n{indent}" for line in lines)
    return [f"{above}{last}{' ' * gap}", (f"{name}\n", "dim")]
