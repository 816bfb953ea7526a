"""How thresholds are taken over: into captions, as settings, or both; with each caption shown."""

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
from tui.widgets.line_list import ItemList, Piece


class TakeOver(ModalScreen[str]):
    """Returns both, captions or settings; empty if the user cancels."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss('')", "Back")]

    def __init__(
        self, scope: str, effect: str, lines: Sequence[list[Piece]], settings: str
    ) -> None:
        """Create the dialog.

        Args:
            scope: The images.
            effect: What would become of the captions, in a sentence.
            lines: Each caption that would change.
            settings: The thresholds as settings; empty if none differs from those in force.
        """
        super().__init__()
        self._scope, self._effect, self._settings = scope, effect, settings
        self._lines = list(lines)

    def compose(self) -> ComposeResult:
        """Compose the dialog."""
        with Vertical(classes="dialog wide") as dialog:
            title = _("Take the thresholds over · {scope}").format(scope=self._scope)
            dialog.border_title = Content(title)
            yield Static(Content(self._text()), classes="hint")
            yield ItemList(id="parts", empty=_("no caption changes"))
            with Horizontal(classes="buttons"):
                for answer, text, possible in self._answers():
                    yield Button(text, compact=True, id=answer, disabled=not possible)
                yield Button(_("Cancel"), compact=True, id="cancel")

    def _answers(self) -> list[tuple[str, str, bool]]:
        captions, settings = bool(self._lines), bool(self._settings)
        return [
            ("both", _("Captions and settings"), captions and settings),
            ("captions", _("Captions only"), captions),
            ("settings", _("Settings only"), settings),
        ]

    def _text(self) -> str:
        captions = _("captions: {effect}").format(effect=self._effect)
        settings = self._settings or _("as they are")
        told = _("settings: [tagger] in shikomi.toml: {settings}").format(settings=settings)
        return f"{captions}\n{told}\n" + _("Either is one edit: u takes it back.")

    def on_mount(self) -> None:
        """Show the captions; enter does what can be done."""
        self.query_one("#parts", ItemList).show(self._lines)
        possible = [button for button in self.query(Button) if not button.disabled]
        possible[0].variant = "primary" if possible[0].id != "cancel" else "default"
        possible[0].focus()

    @on(Button.Pressed)
    def answer(self, event: Button.Pressed) -> None:
        """Return the answer."""
        self.dismiss("" if event.button.id == "cancel" else event.button.id or "")
