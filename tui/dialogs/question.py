"""A question with a few answers."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Static


class Question(ModalScreen[str]):
    """Asks a question; returns the id of the button, empty if the user cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss('')", "Back"),
        Binding("left,h", "app.focus_previous", "Previous", show=False),
        Binding("right,l", "app.focus_next", "Next", show=False),
    ]

    def __init__(self, title: str, text: str, answers: dict[str, str]) -> None:
        """Create the dialog.

        Args:
            title: Title of the dialog.
            text: Text of the question.
            answers: Answer -> label; the first has the focus.
        """
        super().__init__()
        self._title, self._text, self._answers = title, text, answers

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = Content(self._title)
            with VerticalScroll(classes="dialog-text"):
                yield Static(Content(self._text))
            with Horizontal(classes="buttons"):
                for number, (answer, label) in enumerate(self._answers.items()):
                    yield Button(
                        label, compact=True, id=answer, variant="default" if number else "primary"
                    )

    def on_mount(self) -> None:
        """Focus the first answer, so that enter gives it."""
        self.query(Button).first().focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the answer."""
        self.dismiss(event.button.id or "")
