"""The filter: type, wait a moment, and only matching images are left."""

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.events import Key
from textual.message import Message
from textual.timer import Timer
from textual.widgets import Input, Static

from prep.dataset.query import Query
from prep.errors import UserError
from prep.language import _

QUIET = 0.15
"""Seconds without a key press before the filter runs."""


class FilterBar(Vertical):
    """An input with the fault, if any, shown below it."""

    @dataclass
    class Changed(Message):
        """The user entered another filter, which is valid."""

        text: str

        def can_replace(self, message: Message) -> bool:
            """Only the newest filter matters."""
            return isinstance(message, FilterBar.Changed)

    class Left(Message):
        """The user has finished typing."""

    def __init__(self) -> None:
        super().__init__(id="filter-bar")
        self._timer: Timer | None = None
        self.text = ""

    def compose(self) -> ComposeResult:
        """Compose the input and the line for errors."""
        yield Input(placeholder=_("/ filter: smile -hat name:beach"), id="filter", compact=True)
        yield Static(id="filter-fault")

    def set(self, text: str) -> None:
        """Filter by this text at once."""
        self.query_one(Input).value = text
        self._apply()

    def toggle(self, term: str) -> None:
        """Add a term to the filter, or remove it, at once."""
        if term in self.text:
            self.set(" ".join(self.text.replace(term, "").split()))
        else:
            self.set(f"{self.text} {term}".strip())

    def on_input_changed(self) -> None:
        """Wait for a short pause."""
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(QUIET, self._apply)

    @on(Input.Submitted)
    def submitted(self) -> None:
        """Filter at once, and leave."""
        if self._apply():
            self.post_message(self.Left())

    def on_key(self, event: Key) -> None:
        """Leave with escape, and down into the list."""
        if event.key in ("escape", "down"):
            self.post_message(self.Left())
            event.stop()

    def _apply(self) -> bool:
        if self._timer is not None:
            self._timer.stop()
        text = self.query_one(Input).value.strip()
        fault = self.query_one("#filter-fault", Static)
        try:
            Query.parse(text)
        except UserError as error:
            fault.update(Content(f"{error.message}\n{error.hint}"))
            fault.display = True
            return False
        fault.display = False
        if text != self.text:
            self.text = text
            self.post_message(self.Changed(text))
        return True
