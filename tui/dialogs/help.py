"""The help screen: all keys."""

from collections.abc import Mapping
from typing import ClassVar

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from prep.language import _
from tui import commands
from tui.widgets.rewrapped import Rewrapped, hanging

_INDENT = 17
"""Column of what a key does."""


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
            yield Rewrapped(self._text)

    def _text(self, columns: int) -> Content:
        headings = sorted(commands.titles(), key=lambda item: item[0] != self._mode)
        parts: list[str | tuple[str, str]] = []
        for scope, heading in headings:
            found = commands.of(scope)
            if found:
                parts.append((f"{heading}\n", "bold $text-primary"))
            for command in found:
                keys = command.label(self._keymap)
                help_ = hanging(_(command.help), _INDENT, columns)
                used = cell_len(help_.rpartition("\n")[2].strip()) + _INDENT
                name, apart = command.id, 2
                if used + apart + len(name) > columns:
                    name, apart = f"\n{' ' * _INDENT}{name}", 0
                parts += [
                    (f"  {keys:<{_INDENT - 3}} ", "bold"),
                    help_,
                    (f"{' ' * apart}{name}\n", "dim"),
                ]
        if self._pictures:
            parts += [(f"{_('Pictures')}\n", "bold $text-primary"), f"  {self._pictures}\n"]
        return Content.assemble(*parts)

    def action_scroll(self, lines: int) -> None:
        """Scroll, also with letter keys."""
        self.query_one(VerticalScroll).scroll_relative(y=lines, animate=False)
