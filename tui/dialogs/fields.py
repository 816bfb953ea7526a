"""A dialog with a few text fields."""

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from prep.errors import UserError
from prep.language import _, marked, translated


class Fields(ModalScreen[dict[str, str] | None]):
    """Asks for a few texts; returns ``None`` if the user cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Back"),
        Binding("ctrl+s", "accept", "Save"),
    ]

    def __init__(
        self,
        title: str,
        fields: dict[str, tuple[str, str, str]],
        check: Callable[[dict[str, str]], object],
        button: str = marked("Save"),
    ) -> None:
        """Create the dialog.

        Args:
            title: Title of the dialog.
            fields: Name -> (label, current text, explanation).
            check: Raises UserError for texts that cannot be accepted: the dialog then says why,
                and keeps what was typed.
            button: What becomes of the texts, in English.
        """
        super().__init__()
        self._title, self._fields, self._check, self._button = title, fields, check, button

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            for name, (label, text, explanation) in self._fields.items():
                yield Label(label, classes="field-label")
                yield Input(text, id=name, compact=True)
                yield Static(Content(explanation), classes="hint")
            yield Static(id="fault", classes="fault")
            with Horizontal(classes="buttons"):
                yield Button(_(self._button), compact=True, id="accept", variant="primary")
                yield Button(_("Cancel"), compact=True, id="cancel")

    @on(Input.Submitted)
    def action_accept(self) -> None:
        """Return the texts, or say why they cannot be accepted."""
        given = {field.id or "": field.value.strip() for field in self.query(Input)}
        try:
            self._check(given)
        except UserError as error:
            fault = self.query_one("#fault", Static)
            fault.update(Content(translated(f"{error.message}\n{error.hint}".strip())))
            fault.display = True
        else:
            self.dismiss(given)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the texts, or cancel."""
        if event.button.id == "accept":
            self.action_accept()
        else:
            self.dismiss(None)
