"""Stage 5: trigger words, repeats and steps, with the arithmetic shown."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from prep import captions, events
from prep.dataset.index import Index
from prep.errors import ConfigError
from prep.ops import plan
from prep.project import Concept, parse_folder
from tui import commands
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.fields import Fields
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.line_list import ItemList, LineList, Piece, cell

_NAME, _TRIGGER = 20, 16


class PlanScreen(StageScreen):
    """Concepts above, arithmetic and advice below."""

    MODE = "plan"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("plan")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._concepts: list[tuple[Concept, int]] = []

    def body(self) -> ComposeResult:
        """Make the panels."""
        heading = (
            f"  {'folder':<{_NAME}} {'trigger word':<{_TRIGGER}}"
            f" {'images':>7}   {'repeats':>7}   per epoch"
        )
        with Vertical(id="plan-panel"):
            yield ItemList(
                id="concepts", heading=heading, empty="no usable images", loading="loading…"
            )
            with VerticalScroll(id="plan-text", can_focus=True):
                yield Static("calculating…", id="arithmetic")
                yield Static(id="plan-advice")

    def start_focus(self) -> str:
        """The concepts."""
        return "#concepts"

    def reload(self) -> None:
        """Count again."""
        self._load()

    @work(group="plan", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        project = self.session.project
        folders = await self.session.queries.run(lambda index: index.folders())
        self._concepts = [(project.concept(folder), count) for folder, count in folders]
        self._show_concepts({})
        found = await asyncio.to_thread(lambda: list(plan.run(project)))
        self._show_concepts({e.folder: e for e in found if isinstance(e, events.Concept)})
        self._show_sums(found[-1])
        advice = [
            part
            for event in found
            if isinstance(event, events.Warned)
            for part in (
                (f"! {event.message}\n", "$text-warning"),
                (f"  {event.hint}\n", "$text-muted"),
            )
        ]
        self.query_one("#plan-advice", Static).update(Content.assemble(*advice))

    def _show_concepts(self, planned: dict[str, events.Concept]) -> None:
        """List the concepts, with the exposures from the plan, if known."""
        lines = [
            _line(concept, count, planned.get(concept.folder)) for concept, count in self._concepts
        ]
        complete = self.session.scanned
        self.query_one("#concepts", ItemList).show(lines, complete=complete)

    def _show_sums(self, last: events.Event) -> None:
        summary = last.summary if isinstance(last, events.Finished) else {}
        lines = [str(line) for line in summary.get("arithmetic", ())]
        text = Content.assemble(
            ("The arithmetic\n", "bold"),
            "".join(f"  {line}\n" for line in lines),
            ("  Batch size, epochs and max steps are set in 6 Train.\n", "$text-muted"),
        )
        self.query_one("#arithmetic", Static).update(text)

    @on(LineList.Chosen, "#concepts")
    async def action_edit_concept(self) -> None:
        """Set trigger word, repeats and pruned tags; then offer to apply the rules to captions."""
        place = self.query_one("#concepts", ItemList).cursor
        if place >= len(self._concepts):
            return
        concept, _ = self._concepts[place]

        def answered(given: dict[str, str] | None) -> None:
            if given is not None:
                self._save(concept.folder, given)

        dialog = Fields(f"Concept {concept.folder}", _fields(concept), self._fault(concept.folder))
        await self.app.push_screen(dialog, answered)

    def _fault(self, folder: str) -> Callable[[dict[str, str]], None]:
        """Return what refuses texts that cannot be saved, while they can still be mended."""

        def check(given: dict[str, str]) -> None:
            self.session.project.with_changes({"concepts": {folder: _settings(given)}})

        return check

    @work(group="concept", exclusive=True, exit_on_error=False)
    async def _save(self, folder: str, given: dict[str, str]) -> None:
        await self.session.save_settings({"concepts": {folder: _settings(given)}})
        await self._offer_rules(folder)

    async def _offer_rules(self, folder: str) -> None:
        """Show the changes of the rules to the captions of a folder, if any."""

        def members(index: Index) -> list[int]:
            return [row.id for row in index.usable() if row.folder == folder]

        ids = await self.session.queries.run(members)
        dialog = EditTags(self.session, "rules", ids, folder)
        decision = await self.app.push_screen_wait(dialog)
        if decision is not None:
            await self.session.edit(*decision)


def _fields(concept: Concept) -> dict[str, tuple[str, str, str]]:
    """Return the fields of the dialog: label, text and explanation."""
    section = concept.settings
    usual = parse_folder(concept.folder)[0] or 1
    return {
        "trigger": (
            "Trigger word",
            section.trigger,
            "Comes first in every caption; a word that the base model does not know.",
        ),
        "repeats": (
            "Repeats",
            "" if section.repeats is None else str(section.repeats),
            f"How often each image is shown per epoch; empty: {usual}, from the folder's name.",
        ),
        "prune": (
            "Pruned tags",
            ", ".join(section.prune),
            "Tags of the character itself, left out of captions so that the trigger word absorbs"
            " them.",
        ),
    }


def _settings(given: dict[str, str]) -> dict[str, Any]:
    """Return the settings of a concept as typed.

    Raises:
        ConfigError: The repeats are not a number, or the trigger is more than one tag.
    """
    repeats, words = given["repeats"], captions.split(given["trigger"])
    if repeats and not (repeats.isdecimal() and int(repeats)):
        raise ConfigError(
            f"Repeats: {repeats} is not a whole number from 1 on.",
            "Enter a number such as 10, or leave it empty.",
        )
    if len(words) > 1:
        raise ConfigError(
            f"Trigger word: {given['trigger']} is {len(words)} tags.",
            "Enter one word without a comma; the other tags belong into the captions.",
        )
    return {
        "trigger": given["trigger"] or None,
        "repeats": int(repeats) if repeats else None,
        "prune": captions.split(given["prune"]) or None,
    }


def _line(concept: Concept, count: int, planned: events.Concept | None) -> list[Piece]:
    mark: Piece = ("✓ ", "good") if concept.trigger else ("! ", "warn")
    trigger: Piece = (f" {cell(concept.trigger or '(none)', _TRIGGER)}", "key")
    if not concept.trigger:
        trigger = (trigger[0], "warn")
    images, exposures, remark = count, count * concept.repeats, ""
    if planned is not None:
        images, exposures = planned.images, planned.exposures
        if planned.held_out:
            remark = f"  ({planned.held_out} held out)"
    sums = f" {images:>7} x {concept.repeats:>7} = {exposures}{remark}"
    return [mark, (cell(concept.folder, _NAME), ""), trigger, (sums, "")]
