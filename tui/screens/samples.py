"""Stage 7: generated pictures, newest first, with their parameters."""

import asyncio
import time
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from prep.images import decode
from tui import commands
from tui.jobs.follow import JobView
from tui.pictures import Made, made, parameters
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.line_list import ItemList, LineList, Piece
from tui.widgets.picture import Picture, Source


class SamplesScreen(StageScreen):
    """List, picture and parameters."""

    MODE = "samples"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("samples", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._made: list[Made] = []
        self._seen: dict[str, int] = {}

    def body(self) -> ComposeResult:
        """Make the panels."""
        yield ItemList(
            id="samples", heading="newest first", empty="none yet: train with sample prompts"
        )
        with Vertical(id="sample-panel"):
            yield Picture(self.session, id="sample-picture")
            with VerticalScroll(id="sample-text"):
                yield Static(id="parameters")

    def start_focus(self) -> str:
        """The list."""
        return "#samples"

    def reload(self) -> None:
        """Look for pictures."""
        self._load()

    def action_reload(self) -> None:
        """Look for pictures."""
        self._load()

    def job_changed(self, view: JobView) -> None:
        """Look for pictures when a job has made some."""
        count = sum(event.kind == "sample" for event in view.results)
        if count != self._seen.get(view.job.name, 0):
            self._seen[view.job.name] = count
            self._stale = True
            if self.is_current:
                self._freshen()

    @work(group="samples", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        self._made = await asyncio.to_thread(made, self.session.project)
        self.query_one("#samples", ItemList).show([_line(one) for one in self._made])

    @on(LineList.Moved, "#samples")
    def moved(self) -> None:
        """Show the picture under the cursor."""
        place = self.query_one("#samples", ItemList).cursor
        self._show(self._made[place] if place < len(self._made) else None)

    @work(group="sample", exclusive=True, exit_on_error=False)
    async def _show(self, one: Made | None) -> None:
        picture, text = self.query_one("#sample-picture", Picture), ""
        if one is None:
            picture.show_text("no pictures yet")
        else:
            place = self._made.index(one) if one in self._made else 0
            beside = self._made[place + 1 : place + 2] + self._made[max(0, place - 1) : place]
            source = _source(one)
            picture.show(source.key, source.load, [_source(each) for each in beside])
            text = await asyncio.to_thread(parameters, one.path)
            text = f"{one.path.relative_to(self.session.project.root)}\n{text}"
        self.query_one("#parameters", Static).update(Content(text))


def _source(one: Made) -> Source:
    return Source((one.path, one.mtime_ns), lambda: decode(one.path))


def _line(one: Made) -> list[Piece]:
    when = time.strftime("%d %b %H:%M ", time.localtime(one.mtime_ns / 1e9))
    return [(when, "dim"), (one.path.name, "")]
