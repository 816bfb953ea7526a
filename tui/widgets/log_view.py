"""The whole log of a job: scrolled, followed and searched."""

import asyncio
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.widgets import Input

from prep.language import _
from tui import commands
from tui.widgets.line_list import ItemList, Piece

_MOST = 20_000_000
"""Bytes of a log that are read; of a longer one, the end."""


class LogView(Vertical):
    """Lines of a log, and a field to search them; at its end it follows what comes."""

    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("log")

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._lines: list[str] = []
        self._file: Path | None = None
        self._wanted = ""

    def compose(self) -> ComposeResult:
        """Compose the search and the lines."""
        yield Input(placeholder=_("search the log"), id="log-search", compact=True)
        yield ItemList(id="log-lines", empty=_("the log is empty"))

    @work(group="log", exclusive=True, exit_on_error=False)
    async def show(self, file: Path, notes: list[str]) -> None:
        """Show a log; the same one again keeps the place, or follows its end.

        Args:
            file: The log.
            notes: What comes first, such as the fault that ended the job.
        """
        lines = [*notes, *await asyncio.to_thread(read_log, file)]
        shown = self.query_one("#log-lines", ItemList)
        last = shown.cursor >= shown.count - 1
        new, self._file = file != self._file, file
        if lines != self._lines or new:
            self._lines = lines
            self._write()
            if new or last:
                shown.action_last()

    def _write(self) -> None:
        self.query_one("#log-lines", ItemList).show([self._pieces(line) for line in self._lines])

    def _pieces(self, line: str) -> list[Piece]:
        place = line.casefold().find(self._wanted) if self._wanted else -1
        if place < 0:
            return [(line, "bad" if line.startswith("×") else "")]
        end = place + len(self._wanted)
        return [(line[:place], ""), (line[place:end], "key"), (line[end:], "")]

    # ---- searching -----------------------------------------------------------------------

    def action_search(self) -> None:
        """Type what to look for."""
        field = self.query_one("#log-search", Input)
        field.display = True
        field.focus()

    @on(Input.Changed, "#log-search")
    def _searched(self, event: Input.Changed) -> None:
        event.stop()
        self._wanted = event.value.casefold()
        self._write()
        shown = self.query_one("#log-lines", ItemList)
        if self._wanted and self._wanted not in self._at(shown.cursor):
            self.action_find(1)

    @on(Input.Submitted, "#log-search")
    def _found(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#log-lines", ItemList).focus()

    def on_key(self, event: Key) -> None:
        """Leave the search with escape."""
        if event.key == "escape" and self.query_one("#log-search", Input).has_focus:
            self.query_one("#log-lines", ItemList).focus()
            event.stop()

    def action_find(self, step: int) -> None:
        """Go to the next line with what was searched for; past the end, from the beginning."""
        shown = self.query_one("#log-lines", ItemList)
        if not self._wanted:
            return
        count = len(self._lines)
        for distance in range(1, count + 1):
            place = (shown.cursor + step * distance) % count
            if self._wanted in self._at(place):
                shown.cursor = place
                return
        self.app.notify(_("Not in this log: {text}").format(text=self._wanted))

    def _at(self, place: int) -> str:
        return self._lines[place].casefold() if place < len(self._lines) else ""


def read_log(file: Path) -> list[str]:
    """Return the lines of a log without empty ones; of a progress bar, its last state."""
    try:
        if not file.is_file():  # reading a pipe would never end
            return []
        with file.open("rb") as log:
            log.seek(max(0, log.seek(0, 2) - _MOST))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        return []
    # A progress bar overwrites itself with carriage returns.
    return [line.rpartition("\r")[2] for line in text.split("\n") if line.strip()]
