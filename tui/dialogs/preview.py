"""What is about to be done, line by line, before anything is."""

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from prep.language import _
from tui.widgets.line_list import ItemList, LineList, Piece


class Preview(ModalScreen[bool]):
    """Shows what would be done; returns whether the user wants it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss(False)", "Back")]

    def __init__(
        self, title: str, text: str, lines: Sequence[list[Piece]], apply: str = ""
    ) -> None:
        """Create the dialog.

        Args:
            title: Title of the dialog.
            text: What would be done, in a sentence.
            lines: Each part of it.
            apply: Label of the button that does it.
        """
        super().__init__()
        self._title, self._text, self._apply = title, text, apply or _("Apply")
        self._lines = list(lines)

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog wide") as dialog:
            dialog.border_title = Content(self._title)
            yield Static(Content(self._text), classes="hint")
            yield ItemList(id="parts")
            with Horizontal(classes="buttons"):
                yield Button(self._apply, compact=True, id="apply", variant="primary")
                yield Button(_("Cancel"), compact=True, id="cancel")

    def on_mount(self) -> None:
        """Show the lines; enter on them is yes."""
        parts = self.query_one("#parts", ItemList)
        parts.show(self._lines)
        self.set_focus(parts)

    @on(LineList.Chosen, "#parts")
    @on(Button.Pressed, "#apply")
    def accept(self) -> None:
        """Return that the user wants it."""
        self.dismiss(True)

    @on(Button.Pressed, "#cancel")
    def cancel(self) -> None:
        """Return that the user does not want it."""
        self.dismiss(False)
