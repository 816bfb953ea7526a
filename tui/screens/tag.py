"""Stage 4: let a tagger write captions; manual edits stay."""

import asyncio
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Static

from prep import events
from prep.images import decode
from prep.ops.tag import TagOptions
from prep.tagging.models.obtain import DEMO
from tui import commands
from tui.jobs.follow import JobView
from tui.jobs.launch import command, launch
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.starting import is_current, wants_another
from tui.widgets.clipped import Clipped
from tui.widgets.form import Form
from tui.widgets.job_strip import bar, outcome
from tui.widgets.line_list import ItemList, LineList, cell, count_of
from tui.widgets.picture import Picture

MODELS = (
    "SmilingWolf/wd-swinv2-tagger-v3",
    "SmilingWolf/wd-vit-tagger-v3",
    "SmilingWolf/wd-convnext-tagger-v3",
    "SmilingWolf/wd-eva02-large-tagger-v3",
    DEMO,
)
"""Suggestions for the name of the model."""
FIRST = ("model", "general", "character", "write", "where")
_KEPT = ("model", "general", "character")
"""Settings that are stored in shikomi.toml."""
_BAR = 10


class TagScreen(StageScreen):
    """A form on the left, the results of the tagger on the right."""

    MODE = "tag"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("tag")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._results: list[events.Event] = []
        self._view: JobView | None = None

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="tag-form-panel", classes="form-panel"):
            yield Form(
                TagOptions,
                self._settings(),
                first=FIRST,
                hidden=("dry_run",),
                known={"model": MODELS},
                id="tag-form",
            )
            with Horizontal(classes="buttons"):
                yield Button("Tag", compact=True, id="tag", variant="primary")
                yield Button("Dry run", compact=True, id="dry")
        with Vertical(id="tag-results"):
            yield Clipped("No tagger has run yet.", id="tag-title", classes="side-title")
            yield ItemList(id="tagged", empty="results appear here")
            with Horizontal(id="tag-look"):
                yield Picture(self.session, id="tag-picture")
                yield ItemList(id="scores")

    def _settings(self) -> dict[str, Any]:
        section = self.session.project.settings.tagger
        return {name: getattr(section, name) for name in _KEPT}

    def start_focus(self) -> str:
        """The results, so that digits and letters are commands at first."""
        return "#tagged"

    def reload(self) -> None:
        """Show the newest job, and settings that were changed elsewhere."""
        self.query_one("#tag-form", Form).rebase(self._settings())
        newest = self.session.board.newest("tag")
        if newest:
            self.job_changed(newest[0])

    # ---- starting ------------------------------------------------------------------------

    @on(Button.Pressed, "#tag")
    def tag_pressed(self) -> None:
        """Start tagging."""
        self.action_start(False)

    @on(Button.Pressed, "#dry")
    def dry_pressed(self) -> None:
        """Start a dry run."""
        self.action_start(True)

    @work(group="start", exit_on_error=False)
    async def action_start(self, dry: bool) -> None:
        """Start a tagger as a job, which continues when this terminal is closed."""
        with self.session.launcher.once(self) as free:
            if free:
                await self._start(dry)

    async def _start(self, dry: bool) -> None:
        form = self.query_one("#tag-form", Form)
        if not await is_current(self, self.session, form, self._settings):
            return
        options = form.read()
        if not await wants_another(self, self.session.project.jobs, "tag"):
            return
        changes = {name: v for name, v in form.changed(options).items() if name in _KEPT}
        if changes and not dry:
            await self.session.save_settings({"tagger": changes})
            form.rebase(self._settings())
        title = f"{'dry run: ' if dry else ''}tag with {options.model or 'the set tagger'}"
        argv = command("tag", str(self.session.project.root), options, dry=dry)
        await asyncio.to_thread(launch, self.session.project, "tag", argv, title)
        self.set_focus(self.query_one("#tagged"))

    # ---- watching ------------------------------------------------------------------------

    def job_changed(self, view: JobView) -> None:
        """Show the results of the newest tagging job so far."""
        newest = self.session.board.newest("tag")
        if not newest or view is not newest[0] or not self.is_current:
            self._stale = True
            return
        self._view = view
        text = outcome(view)
        if view.running:
            text = f"▶ {view.what} {bar(view.done, view.total, _BAR)} {view.done}/{view.total}"
        elif isinstance(view.end, events.Finished):
            text = summary_text(view.end.summary)
        self.query_one("#tag-title", Static).update(Content(text))
        self._results = [e for e in view.results if isinstance(e, events.Tags | events.Skipped)]
        self.query_one("#tagged", ItemList).show([_line(event) for event in self._results])

    @on(LineList.Moved, "#tagged")
    def show_scores(self) -> None:
        """Show the scores of the image under the cursor."""
        place = self.query_one("#tagged", ItemList).cursor
        event = self._results[place] if place < len(self._results) else None
        if not isinstance(event, events.Tags):
            self.query_one("#scores", ItemList).show([])
            self.query_one("#tag-picture", Picture).show_text("")
            return
        lines: list[list[tuple[str, str]]] = [[("rating ", "dim"), (event.rating, "")]]
        for name, score in event.tags:
            filled = bar(round(score * 100), 100, _BAR)
            lines.append([(f"{score:.2f} ", "dim"), (f"{filled} ", "key"), (name, "")])
        self.query_one("#scores", ItemList).show(lines, keep=False)
        file = self.session.project.root / event.path
        self.query_one("#tag-picture", Picture).show(event.path, lambda: decode(file))


def summary_text(summary: dict[str, Any]) -> str:
    """Describe how a tagging job ended."""
    parts = [f"{count_of(int(summary.get('images', 0)), 'image')}"]
    if "changed" in summary:
        verb = "changed" if summary.get("edit") else "would change"
        parts.append(f"{count_of(int(summary['changed']), 'caption')} {verb}")
    if summary.get("provider"):
        parts.append(f"on {str(summary['provider']).removesuffix('ExecutionProvider')}")
    if summary.get("images_per_second"):
        parts.append(f"{summary['images_per_second']} images/s")
    return " · ".join(parts)


def _line(event: events.Event) -> list[tuple[str, str]]:
    if isinstance(event, events.Tags):
        names = ", ".join(name for name, _ in event.tags)
        return [(cell(event.path.rpartition("/")[2], 24) + " ", ""), (names, "dim")]
    assert isinstance(event, events.Skipped)
    return [(cell(event.path.rpartition("/")[2], 24) + " ", ""), (f"× {event.reason}", "bad")]
