"""The screen: concepts in a table that is typed into, what follows from them, settings, checks."""

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import ValidationError
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Input, Select, Static

from prep.dataset import training_parts
from prep.dataset.index import Index
from prep.errors import ConfigError, UserError
from prep.language import _, marked, translated
from prep.ops.plan import PlanSettings, held_out_parts, step_settings, with_repeats
from prep.project import Project
from prep.training_set.plan import Plan
from prep.training_set.plan.live import LivePlan
from train.config import PresetKind, TrainSettings, load_presets, presets
from tui import commands
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.question import Question
from tui.notices import tell
from tui.screens.plan import words
from tui.screens.plan.runs import PlanRuns
from tui.screens.plan.target import PlanTarget
from tui.session import Session
from tui.starting import is_current
from tui.widgets.cell_input import CellInput
from tui.widgets.clipped import Clipped
from tui.widgets.concept_table import FIELDS, ConceptTable, FieldName
from tui.widgets.form import Form, fields_of
from tui.widgets.line_list import LineList

FIRST = (
    "batch_size",
    "gradient_accumulation",
    "epochs",
    "max_steps",
    "validation_fraction",
    "rank",
    "alpha",
    "learning_rate",
    "precision",
    "gradient_checkpointing",
)
"""Settings that steps and memory depend on; the others are hidden at first."""


@dataclass(frozen=True)
class Typed:
    """A text that is typed into a cell, and what was there before."""

    folder: str
    field: FieldName
    before: str


class PlanScreen(PlanRuns, PlanTarget):
    """Concepts, sums and findings on the left, settings of training on the right."""

    MODE = "plan"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("plan")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._live: LivePlan | None = None
        self._plan: Plan | None = None
        self._even: dict[str, int] = {}
        self._typed: Typed | None = None

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="plan-panel"):
            with Container(id="concepts-box"):
                yield ConceptTable(id="concepts")
                yield CellInput(id="cell")
            yield Clipped(id="plan-help")
            with VerticalScroll(id="plan-text", can_focus=True):
                yield Static(_("calculating…"), id="arithmetic")
            yield from self.findings_body()
            yield Clipped(id="plan-scope")
        with Vertical(id="plan-form-panel", classes="form-panel"):
            with Horizontal(id="plan-presets"):
                for kind, prompt in self._prompts().items():
                    names = [(name, name) for name in presets(kind)]
                    yield Select(names, prompt=prompt, id=f"plan-preset-{kind}", compact=True)
            yield Form(TrainSettings, self._settings() or {}, first=FIRST, id="plan-form")
            yield Clipped(id="plan-sums")
            yield Clipped(id="plan-memory")

    @staticmethod
    def _prompts() -> dict[PresetKind, str]:
        return {"purpose": _("Preset…"), "memory": _("Memory…")}

    def start_focus(self) -> str:
        """The concepts."""
        return "#concepts"

    @property
    def _table(self) -> ConceptTable:
        return self.query_one(ConceptTable)

    @property
    def _cell(self) -> CellInput:
        return self.query_one(CellInput)

    @property
    def _form(self) -> Form[TrainSettings]:
        return self.query_one("#plan-form", Form)

    def _settings(self) -> dict[str, object] | None:
        try:
            return TrainSettings.from_project(self.session.project).model_dump()
        except ConfigError:
            return None  # told where the plan is counted

    # ---- reading -------------------------------------------------------------------------

    def on_screen_resume(self) -> None:
        """Show the choice of images, which may be another one."""
        scope = self.session.scope
        text = scope.words()
        if scope.kind != "all":
            text = _("{scope} · the plan is about all images").format(scope=text)
        self.query_one("#plan-scope", Clipped).update(Content(text if scope.total else ""))

    def reload(self) -> None:
        """Read the training images again."""
        if (values := self._settings()) is not None:
            self._form.rebase(values)
        self._load()

    @work(group="plan", exclusive=True, exit_on_error=False)
    async def _load(self) -> None:
        project = self.session.project

        def read(index: Index) -> LivePlan:
            return LivePlan.of(project.buckets, training_parts.read(index))

        self._live = live = await self.session.queries.run(read)
        self._count()
        if step_settings(project).validation_fraction > 0:
            # Which images are held out depends on their contents, which may have to be read.
            held = await asyncio.to_thread(held_out_parts, project)
            if len(held) == len(live.parts):
                self._live = LivePlan.of(project.buckets, live.parts, held)
                self._count()

    @work(group="live", exclusive=True, exit_on_error=False)
    async def _count(self) -> None:
        """Count steps for what is typed."""
        live, project, settings = self._live, self._drafted(), self._steps()
        if live is None:
            return

        def count() -> tuple[Plan, dict[str, int]]:
            return live.plan(project, settings, settings.devices), live.even(project)

        self._plan, self._even = await asyncio.to_thread(count)
        self._show()

    def _drafted(self) -> Project:
        """Return the project with the repeats that are being typed."""
        typed, project = self._typed, self.session.project
        if typed is None or typed.field != "repeats":
            return project
        try:
            repeats = words.value_of("repeats", self._cell.value)
        except ConfigError:
            return project
        return with_repeats(project, {typed.folder: {"repeats": repeats}})

    def _steps(self) -> PlanSettings:
        """Return the settings as they are typed, or as they are saved while that is not valid."""
        fields = fields_of(PlanSettings)
        given = {name: one.read(self._form.text(name)) for name, one in fields.items()}
        try:
            return PlanSettings.model_validate(given)
        except ValidationError:
            return step_settings(self.session.project)

    def _show(self) -> None:
        plan, project, live = self._plan, self.session.project, self._live
        if plan is None or live is None:
            return
        concepts = [project.concept(folder) for folder in live.parts.folders]
        typed: dict[tuple[str, FieldName], str] = {}
        if self._typed is not None:
            typed[self._typed.folder, self._typed.field] = self._cell.value
        lines = words.lines_of(concepts, typed, plan, self._even)
        self._table.show(lines, complete=self.session.scanned)
        sums = words.sums(plan, self._rate())
        self.query_one("#plan-sums", Clipped).update(Content(sums))
        text = Content.assemble((f"{sums}\n", "bold"), translated("\n".join(plan.arithmetic)))
        self.query_one("#arithmetic", Static).update(text)
        self._help()

    def _rate(self) -> float | None:
        """Return the steps a second of the newest run that tells."""
        rates = (view.rate for view in self.session.board.newest("train"))
        return next((rate for rate in rates if rate), None)

    def _help(self, fault: str = "") -> None:
        text = f"× {fault}" if fault else words.help_of(self._table.field)
        widget = self.query_one("#plan-help", Clipped)
        widget.set_class(bool(fault), "-fault")
        widget.update(Content(text))

    @on(LineList.Moved, "#concepts")
    def concept_moved(self) -> None:
        """Explain the cell."""
        self._help()

    # ---- typing --------------------------------------------------------------------------

    @on(LineList.Chosen, "#concepts")
    def action_edit_cell(self) -> None:
        """Type into the cell."""
        line, table = self._table.line, self._table
        if line is None:
            return
        self._typed = Typed(line.folder, table.field, line.texts[table.field])
        self._cell.open(self._typed.before, *table.cell_place())
        self._help()

    @on(Input.Changed, "#cell")
    def cell_typed(self) -> None:
        """Let the steps follow."""
        if self._typed is not None:
            fault = self._fault(self._typed.field)
            self._help(fault)
            if not fault:
                self._count()

    def _fault(self, field: FieldName) -> str:
        """Return what is wrong with the text that is typed; empty if nothing is."""
        typed = self._typed
        if typed is None:
            return ""
        try:
            value = words.value_of(field, self._cell.value)
            self.session.project.with_changes({"concepts": {typed.folder: {field: value}}})
        except UserError as error:
            return translated(f"{error.message} {error.hint}".strip())
        return ""

    @on(CellInput.Left)
    def cell_left(self, event: CellInput.Left) -> None:
        """Save what was typed, unless it is dropped or cannot be saved, and go on."""
        typed = self._typed
        if typed is None:
            return
        if event.save and self._cell.value.strip() != typed.before:
            if fault := self._fault(typed.field):
                self._help(fault)
                return
            self._save(typed, words.value_of(typed.field, self._cell.value))
        self._typed = None
        self._cell.close()
        self.set_focus(self._table)
        self._count()
        if event.step:
            self._step(event.step)

    def _step(self, step: int) -> None:
        """Go to the next cell and type there."""
        table = self._table
        place = table.cursor * len(FIELDS) + table.column + step
        if 0 <= place < table.count * len(FIELDS):
            table.cursor, table.column = divmod(place, len(FIELDS))
            self.call_after_refresh(self.action_edit_cell)

    # ---- saving --------------------------------------------------------------------------

    @work(group="concept", exit_on_error=False)
    async def _save(self, typed: Typed, value: Any) -> None:
        folder, field = typed.folder, typed.field
        project = await asyncio.to_thread(Project.open, self.session.project.root)
        theirs = words.texts_of(project.concept(folder))[field]
        if theirs != typed.before and not await self._mine(typed, theirs):
            self.session.reopen(project)
            return
        title = marked("{folder}: {field} {text}").format(
            folder=folder, field=field, text=value if value is not None else "–"
        )
        await self.session.save_settings(title, {"concepts": {folder: {field: value}}})
        if field != "repeats":
            await self._offer_rules(folder)

    async def _mine(self, typed: Typed, theirs: str) -> bool:
        """Ask what counts where a setting was changed in the file, too."""
        text = _("shikomi.toml was changed by another program: {field} of {folder} is now {text}.")
        text = text.format(field=typed.field, folder=typed.folder, text=theirs or "–")
        answers = {"theirs": _("Use the file's"), "mine": _("Write mine")}
        question = Question(_("Changed in both"), text, answers)
        return await self.app.push_screen_wait(question) == "mine"

    async def _offer_rules(self, folder: str) -> None:
        """Show the changes of the rules to the captions of a folder, if any."""
        ids = self._live.images(folder) if self._live is not None else []
        if not ids:
            return
        dialog = EditTags(self.session, "rules", ids, folder)
        decision = await self.app.push_screen_wait(dialog)
        if decision is not None:
            await self.session.edit(*decision)

    @work(group="concept", exit_on_error=False)
    async def action_balance(self) -> None:
        """Take over the repeats that balance the concepts."""
        project = self.session.project
        changes = {
            folder: {"repeats": repeats}
            for folder, repeats in self._even.items()
            if repeats != project.concept(folder).repeats
        }
        if not changes:
            tell(self, _("The concepts are balanced as well as whole repeats allow."))
            return
        await self.session.save_settings(_("balance the repeats"), {"concepts": changes})
        told = ", ".join(f"{folder} {change['repeats']}" for folder, change in changes.items())
        self.notify(_("Repeats: {told}. Press u to undo.").format(told=told), markup=False)

    # ---- the form ------------------------------------------------------------------------

    def action_settings(self) -> None:
        """Go to the settings of training, or back."""
        self.toggle_class("-settings")
        inside = self.has_class("-settings")
        self.set_focus(self.query_one("#field-batch_size") if inside else self._table)

    @on(Form.Left)
    def form_left(self) -> None:
        """Go back to the table."""
        self.remove_class("-settings")

    @on(Input.Changed, "#plan-form Input")
    @on(Select.Changed, "#plan-form Select")
    def settings_typed(self) -> None:
        """Let the steps follow."""
        if self._live is not None:
            self._count()

    @on(Select.Changed, "#plan-preset-purpose")
    @on(Select.Changed, "#plan-preset-memory")
    def preset_chosen(self, event: Select.Changed) -> None:
        """Fill the form with the presets that are chosen, over the defaults."""
        selects = (self.query_one(f"#plan-preset-{kind}", Select) for kind in self._prompts())
        names = [select.value for select in selects if isinstance(select.value, str)]
        if not names:
            return
        found = load_presets(names, self.session.project.settings.project.family)
        values = TrainSettings.model_validate(found).model_dump()
        kept = ("base", "sample_prompts", "validation_fraction", "devices")
        self._form.fill({name: value for name, value in values.items() if name not in kept})
        if isinstance(event.value, str):
            self.notify(presets()[event.value], title=event.value)

    @work(group="concept", exit_on_error=False)
    async def action_save_settings(self) -> None:
        """Write the settings that were changed."""
        await self.save_form()

    async def save_form(self) -> bool:
        """Write the settings that were changed here; ask about those that were elsewhere, too."""
        form = self._form
        if not await is_current(self, self.session, form, self._settings):
            return False
        settings = form.read()
        if changes := form.changed(settings):
            await self.session.save_settings(form.title(changes), {"train": changes})
            form.rebase(settings.model_dump())
            self.notify(_("Saved: {settings}").format(settings=form.told(changes)), markup=False)
        return True
