"""Stage 7: generated pictures as a grid of models and prompts: compared, picked, more drawn."""

import asyncio
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Static

from prep.errors import UserError
from prep.images import decode
from prep.language import _, marked, translated
from prep.ops.most_alike import Alike, most_alike
from train.sampling.winner import Winner, name_of, pick, read_winner
from tui import commands
from tui.about import moment
from tui.dialogs.fields import Fields
from tui.jobs.follow import JobView
from tui.jobs.launch import queue_up, verb_command
from tui.pictures import Made, made, parameters
from tui.sample_cells import Cells, Column, Texts, cells
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.widgets.clipped import Clipped
from tui.widgets.line_list import ItemList, LineList, Piece
from tui.widgets.picture import Picture, Source
from tui.widgets.sample_grid import Place, SampleGrid, in_full
from tui.widgets.views import ViewTabs

_NEAR = 3
"""Training images that are named."""


class SamplesScreen(StageScreen):
    """The grid or the list, and the picture under the cursor with what is like it."""

    MODE = "samples"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("samples", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._made: list[Made] = []
        self._texts: Texts = {}
        self._seen: dict[str, int] = {}
        self._winner: Winner | None = None
        self._flipped = False

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="sample-views"):
            yield ViewTabs([("t", "grid", _("Grid")), ("t", "list", _("All"))], id="sample-tabs")
            with ContentSwitcher(initial="sample-grid", id="sample-switcher"):
                yield SampleGrid(self.session, id="sample-grid")
                yield ItemList(
                    id="samples",
                    heading=_("newest first"),
                    empty=_("none yet: train with sample prompts"),
                )
        with Vertical(id="sample-panel"):
            yield Clipped(id="sample-title", classes="side-title")
            yield Picture(self.session, id="sample-picture")
            with VerticalScroll(id="sample-text", can_focus=False):
                yield Static(id="parameters")
            yield Clipped(id="nearest")
            yield Picture(self.session, id="nearest-picture")

    def start_focus(self) -> str:
        """The grid, or the list."""
        return f"#{self.query_one(ContentSwitcher).current}"

    def on_mount(self) -> None:
        """Show which view is open."""
        self.query_one(ViewTabs).show("grid")

    def reload(self) -> None:
        """Look for pictures."""
        self._load()

    def action_reload(self) -> None:
        """Look for pictures."""
        self._load()

    def action_view(self, name: str = "") -> None:
        """Show the grid or the list of all pictures; the other one without a name."""
        switcher = self.query_one(ContentSwitcher)
        if not name:
            name = "list" if switcher.current == "sample-grid" else "grid"
        switcher.current = {"grid": "sample-grid", "list": "samples"}[name]
        self.query_one(ViewTabs).show(name)
        self.to_commands()
        if name == "grid":
            self.show_cell()
        else:
            self.moved()

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
        project = self.session.project

        def look() -> tuple[list[Made], Cells, Winner | None]:
            found = made(project)
            return found, cells(project, found, self._texts), read_winner(project)

        self._made, found, self._winner = await asyncio.to_thread(look)
        grid = self.query_one(SampleGrid)
        grid.winner = self._wins
        grid.show(found)
        self.query_one("#samples", ItemList).show([_line(one) for one in self._made])

    def _wins(self, column: Column) -> bool:
        return self._winner is not None and name_of(self._winner) == _name(column)

    # ---- the picture ---------------------------------------------------------------------

    @on(LineList.Moved, "#samples")
    def moved(self) -> None:
        """Show the picture under the cursor of the list."""
        if self.start_focus() == "#samples":
            place = self.query_one("#samples", ItemList).cursor
            self._show(self._made[place] if place < len(self._made) else None, "")

    @on(SampleGrid.Moved)
    def show_cell(self) -> None:
        """Show the picture under the cursor of the grid."""
        if self.start_focus() == "#sample-grid":
            self._flipped = False
            self._show_place(self.query_one(SampleGrid).place, "")

    def _show_place(self, place: Place | None, mark: str) -> None:
        grid = self.query_one(SampleGrid)
        name = in_full(place[1]) if place is not None else ""
        won = " ★" if place is not None and self._wins(place[1]) else ""
        self._show(grid.made(place), f"{mark}{name}{won}")

    def action_mark(self) -> None:
        """Keep this picture as A, to flip between it and others."""
        grid = self.query_one(SampleGrid)
        grid.marked = None if grid.marked == grid.place else grid.place
        grid.refresh()

    def action_flip(self) -> None:
        """Show A in the place of the picture under the cursor, and back."""
        grid = self.query_one(SampleGrid)
        if grid.marked is None:
            self.notify(_("Mark a picture with space first; b then flips to it and back."))
            return
        self._flipped = not self._flipped
        place = grid.marked if self._flipped else grid.place
        self._show_place(place, "A  " if self._flipped else "B  ")

    @work(group="sample", exclusive=True, exit_on_error=False)
    async def _show(self, one: Made | None, title: str) -> None:
        picture, text = self.query_one("#sample-picture", Picture), ""
        self.query_one("#sample-title", Static).update(Content(title))
        near = self.query_one("#nearest", Static)
        if one is None:
            picture.show_text(_("no picture here: n draws it") if title else _("no pictures yet"))
            near.update("")
            self.query_one("#nearest-picture", Picture).show_text("")
        else:
            source = _source(one)
            picture.show(source.key, source.load, [_source(each) for each in self._beside(one)])
            text = await asyncio.to_thread(parameters, one.path)
            text = f"{one.path.relative_to(self.session.project.root)}\n{text}"
        self.query_one("#parameters", Static).update(Content(text))
        if one is not None:
            await self._show_nearest(one)

    def _beside(self, one: Made) -> list[Made]:
        grid = self.query_one(SampleGrid)
        both = [found for place in (grid.marked, grid.place) if (found := grid.made(place))]
        return [found for found in both if found != one]

    async def _show_nearest(self, one: Made) -> None:
        """Show the training images that are most like a picture, by their perceptual hashes."""
        near = self.query_one("#nearest", Static)
        picture = self.query_one("#nearest-picture", Picture)
        try:
            found = await self.session.counts.run(lambda index: most_alike(index, one.path, _NEAR))
        except UserError as error:
            near.update(Content(translated(f"{error.message} {error.hint}")))
            picture.show_text("")
            return
        lines = [_("most like it in the training set:"), *map(_near, found)]
        near.update(Content("\n".join(lines)))
        if found:
            first = found[0].path
            file = self.session.project.root / first
            picture.show(first, lambda: decode(file))

    # ---- picking, drawing ----------------------------------------------------------------

    @work(group="save", exit_on_error=False)
    async def action_pick(self) -> None:
        """Remember the LoRA under the cursor, at its strength, as the winner."""
        grid = self.query_one(SampleGrid)
        place, project = grid.place, self.session.project
        if place is None or not place[1].lora:
            self.notify(_("The base model cannot win: choose a picture with a LoRA."))
            return
        one, name = grid.made(place), _name(place[1])
        shown = project.relative(one.path) if one is not None else ""
        await self.session.carry_out(lambda index: pick(project, index, name, shown))
        self.notify(_("{name} is the winner: output/winner.toml. Undo: u").format(name=name))
        self._load()

    @work(group="start", exit_on_error=False)
    async def action_draw(self) -> None:
        """Ask for a prompt, and draw it with the model under the cursor, through the queue."""
        place = self.query_one(SampleGrid).place
        prompt = place[0].prompt if place is not None else ""
        seed = str(place[0].seed) if place is not None else "1"
        lora = _name(place[1]) if place is not None and place[1].lora else ""
        fields = {
            "prompt": (_("Prompt"), prompt, _("--n bad, --w 512 and the like may follow.")),
            "lora": (_("LoRA"), lora, _("NAME:STRENGTH; empty for the base model alone.")),
            "seed": (_("Seed"), seed, _("Of the first picture; each further one adds 1.")),
            "count": (_("Pictures"), "1", _("How many.")),
        }
        dialog = Fields(_("Draw more"), fields, _check, marked("Draw"))
        given = await self.app.push_screen_wait(dialog)
        if given is None:
            return
        root = str(self.session.project.root)
        words = ["--prompt", given["prompt"], "--seed", given["seed"], "--count", given["count"]]
        words += ["--lora", given["lora"]] if given["lora"] else []
        argv = verb_command("sample", root, *words)
        title = f"draw {given['prompt'][:40]}"
        await asyncio.to_thread(queue_up, self.session.project, "sample", argv, title)
        self.notify(_("Drawn as soon as no run is under way."))


def _check(given: dict[str, str]) -> None:
    if not given["prompt"]:
        raise UserError(_("There is nothing to draw."), _("Write a prompt."))
    if given["prompt"].startswith("-"):
        raise UserError(_("A prompt does not begin with a hyphen."))
    for name in ("seed", "count"):
        if not given[name].isdecimal():
            raise UserError(_("{text} is not a whole number.").format(text=given[name] or name))


def _name(column: Column) -> str:
    return f"{column.lora}:{column.strength:g}"


def _near(found: Alike) -> str:
    return f"{found.share:>4.0%}  {found.path.rpartition('/')[2]}"


def _source(one: Made) -> Source:
    return Source((one.path, one.mtime_ns), lambda: decode(one.path))


def _line(one: Made) -> list[Piece]:
    return [(f"{moment(one.mtime_ns / 1e9)} ", "dim"), (one.path.name, "")]
