"""An input that lies over the cell of a table while one types there."""

from dataclasses import dataclass
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class CellInput(Input):
    """One line of text in the place of a cell."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "leave_cell(1)", "Next cell"),
        Binding("shift+tab", "leave_cell(-1)", "Cell before", show=False),
        Binding("ctrl+s", "leave_cell(0)", "Save"),
        Binding("escape", "drop", "Drop"),
    ]

    @dataclass
    class Left(Message):
        """The cell is left.

        Attributes:
            save: What was typed counts.
            step: Which cell comes next: 1, -1, or 0 for none.
        """

        save: bool
        step: int = 0

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, compact=True)

    def on_mount(self) -> None:
        """There is nothing to type at first."""
        self.display = False

    def open(self, text: str, x: int, y: int, width: int) -> None:
        """Lie over a cell, with its text."""
        self.styles.offset = (x, y)
        self.styles.width = max(width, 8)
        self.display = True
        self.value = text
        self.focus()
        self.action_end()

    def close(self) -> None:
        """Go away."""
        self.display = False

    @on(Input.Submitted)
    def entered(self, event: Input.Submitted) -> None:
        """Take the text."""
        event.stop()
        self.post_message(self.Left(save=True))

    def action_leave_cell(self, step: int) -> None:
        """Take the text, and go on to another cell."""
        self.post_message(self.Left(save=True, step=step))

    def action_drop(self) -> None:
        """Leave the cell as it was."""
        self.post_message(self.Left(save=False))
