"""A few texts to fill in."""

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static


class Fields(ModalScreen[dict[str, str] | None]):
    """Asks for a few texts; ``None`` when the user backed out."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "accept", "Save"),
    ]

    def __init__(self, title: str, fields: dict[str, tuple[str, str, str]]) -> None:
        """Make the dialog.

        Args:
            title: What it is about.
            fields: Name -> (label, present text, explanation).
        """
        super().__init__()
        self._title, self._fields = title, fields

    def compose(self) -> ComposeResult:
        """Make the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = self._title
            for name, (label, text, explanation) in self._fields.items():
                yield Label(label, classes="field-label")
                yield Input(text, id=name, compact=True)
                yield Static(Content(explanation), classes="hint")
            with Horizontal(classes="buttons"):
                yield Button("Save", compact=True, id="accept", variant="primary")
                yield Button("Cancel", compact=True, id="cancel")

    @on(Input.Submitted)
    def action_accept(self) -> None:
        """Give the texts back."""
        self.dismiss({field.id or "": field.value.strip() for field in self.query(Input)})

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        if event.button.id == "accept":
            self.action_accept()
        else:
            self.dismiss(None)
