"""Stage 6: choose settings; start, watch, stop and continue runs."""

import asyncio
from dataclasses import dataclass
from typing import ClassVar

from rich.markup import escape
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Button, Select
from textual.worker import Worker

from prep import events
from prep.errors import ConfigError
from prep.language import _, marked
from prep.project import Project
from prep.system import jobs, queue
from train.config import PresetKind, TrainSettings, load_presets, presets
from train.job.begin import begin, resume
from train.job.names import KIND
from tui import commands
from tui.jobs.follow import JobView
from tui.jobs.operations import completed
from tui.notices import report, tell
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.starting import is_current, wants_another
from tui.widgets.form import Form
from tui.widgets.line_list import ItemList, LineList, Piece
from tui.widgets.run_line import run_line
from tui.widgets.run_panel import LETTERS, RunPanel

FIRST = (
    "base",
    "rank",
    "alpha",
    "learning_rate",
    "text_encoder_learning_rate",
    "train_text_encoder",
    "batch_size",
    "epochs",
    "max_steps",
    "precision",
    "sample_prompts",
    "validation_fraction",
)
"""Settings that most runs change; the others are hidden at first."""
_PRESETS: dict[PresetKind, str] = {"purpose": marked("Preset…"), "memory": marked("Memory…")}


@dataclass
class Exporting(Message):
    """Progress of the export."""

    done: int
    total: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Exporting)


class TrainScreen(StageScreen):
    """A form on the left, runs and their curves on the right."""

    MODE = "train"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("train")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._views: list[JobView] = []
        self._marked: list[str] = []
        self._waiting: list[str] = []

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="train-form-panel", classes="form-panel"):
            with Horizontal(id="presets"):
                for kind, prompt in _PRESETS.items():
                    names = [(name, name) for name in presets(kind)]
                    yield Select(names, prompt=_(prompt), id=f"preset-{kind}", compact=True)
            yield Form(
                TrainSettings,
                self._settings() or {},
                first=FIRST,
                known={"base": base_models(self.session.project)},
                id="train-form",
            )
            with Horizontal(classes="buttons"):
                yield Button(_("Start training"), compact=True, id="start", variant="primary")
        with Vertical(id="watch-panel"):
            yield ItemList(
                id="runs",
                heading=_("  runs and queue · space compares"),
                empty=_("no runs yet: ctrl+t starts one"),
            )
            yield RunPanel(self.session, id="run")
            with Horizontal(classes="buttons"):
                yield Button(_("Pause"), compact=True, id="pause", disabled=True)
                yield Button(_("Save now"), compact=True, id="save", disabled=True)
                yield Button(_("Sample now"), compact=True, id="sample", disabled=True)
                yield Button(_("Stop"), compact=True, id="stop", disabled=True)
                yield Button(_("Resume"), compact=True, id="resume", disabled=True)

    def _settings(self) -> dict[str, object] | None:
        try:
            return TrainSettings.from_project(self.session.project).model_dump()
        except ConfigError as error:
            report(self, error)
            return None

    def start_focus(self) -> str:
        """The runs, so that digits and letters are commands at first."""
        return "#runs"

    @on(Select.Changed, "#preset-purpose")
    @on(Select.Changed, "#preset-memory")
    def preset_chosen(self, event: Select.Changed) -> None:
        """Fill the form with the presets that are chosen, over the defaults."""
        selects = (self.query_one(f"#preset-{kind}", Select) for kind in _PRESETS)
        names = [select.value for select in selects if isinstance(select.value, str)]
        if names:
            found = load_presets(names, self.session.project.settings.project.family)
            values = TrainSettings.model_validate(found).model_dump()
            kept = ("base", "sample_prompts", "validation_fraction", "devices")
            changes = {name: value for name, value in values.items() if name not in kept}
            self.query_one("#train-form", Form).fill(changes)
        if isinstance(event.value, str):
            self.notify(presets()[event.value], title=event.value)

    # ---- starting ------------------------------------------------------------------------

    @on(Button.Pressed, "#start")
    @work(group="start", exit_on_error=False)
    async def action_start(self) -> None:
        """Save the settings, export the training set, start the run."""
        with self.session.launcher.once(self) as free:
            if free:
                await self._start()

    async def _start(self) -> None:
        form = self.query_one("#train-form", Form)
        if not await is_current(self, self.session, form, self._settings):
            return
        settings = form.read()
        if not settings.base:
            self.action_watch()
            hint = _("Type the path of its file or folder into “base”, then press ctrl+t.")
            tell(self, _("No base model is chosen yet."), hint)
            return
        if not await wants_another(self, self.session.project.jobs, KIND):
            return
        if changes := form.changed(settings):
            await self.session.save_settings(form.title(changes), {"train": changes})
            form.rebase(settings.model_dump())
        self.add_class("-watching")
        starting: Worker[jobs.Job] = self._begin(settings)
        job = await starting.wait()
        if (await asyncio.to_thread(jobs.status, job)).state == "queued":
            text = _("{job} waits in the queue and starts by itself, also when you quit.")
        else:
            text = _("Training runs as {job}, also when you quit.")
        self.notify(escape(text.format(job=job.name)))
        self.set_focus(self.query_one("#runs"))

    @work(group="export", thread=True, exclusive=True, exit_on_error=False)
    def _begin(self, settings: TrainSettings) -> jobs.Job:
        return completed(begin(self.session.project, settings), self._show_progress)

    def _show_progress(self, event: events.Event) -> None:
        if isinstance(event, events.Progress):
            self.post_message(Exporting(event.done, event.total))

    def on_exporting(self, message: Exporting) -> None:
        """Show the progress of the export."""
        text = _("writing the training set {done}/{total}")
        self.query_one(RunPanel).say(text.format(done=message.done, total=message.total))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Ignore the error of an export: it also ends the start, and is reported there."""
        if event.worker.group == "export":
            event.prevent_default()

    # ---- watching ------------------------------------------------------------------------

    def reload(self) -> None:
        """List the runs, and show settings that were changed elsewhere."""
        if (values := self._settings()) is not None:
            self.query_one("#train-form", Form).rebase(values)
        self._show_runs()

    def _show_runs(self) -> None:
        views = self.session.board.newest("train")
        if any(view.state == "queued" for view in views):
            self._look_at_queue()
        kept = self._view
        # What waits comes first, in the order of the queue; then what runs and ran, newest first.
        order = {name: place for place, name in enumerate(self._waiting)}
        self._views = sorted(views, key=lambda view: order.get(view.job.name, len(order)))
        lines = [self._line(view) for view in self._views]
        shown = self.query_one("#runs", ItemList)
        if kept in self._views:
            shown.cursor = self._views.index(kept)
        shown.show(lines)
        self._show_run()

    @work(group="queue", exclusive=True, exit_on_error=False)
    async def _look_at_queue(self) -> None:
        waiting = await asyncio.to_thread(queue.waiting, self.session.project.jobs)
        if (names := [job.name for job in waiting]) != self._waiting:
            self._waiting = names
            self._show_runs()

    def _line(self, view: JobView) -> list[Piece]:
        marked = view.job.name in self._marked
        mark = LETTERS[self._marked.index(view.job.name)] if marked else " "
        place = ""
        if view.state == "queued" and view.job.name in self._waiting:
            place = str(self._waiting.index(view.job.name) + 1)
        return [(f"{mark} ", "key"), *run_line(view, place)]

    def job_changed(self, view: JobView) -> None:
        """Show the news."""
        if view.settings.kind != "train":
            return
        if not self.is_current:
            self._stale = True
            return
        self._show_runs()

    @property
    def _view(self) -> JobView | None:
        place = self.query_one("#runs", ItemList).cursor
        return self._views[place] if place < len(self._views) else None

    @on(LineList.Moved, "#runs")
    def _show_run(self) -> None:
        view = self._view
        compared = [one for name in self._marked if (one := self.session.board.views.get(name))]
        self.query_one(RunPanel).show(view, compared)
        self.query_one("#stop", Button).disabled = view is None or not view.active
        for name in ("pause", "save", "sample"):
            self.query_one(f"#{name}", Button).disabled = view is None or not view.running
        paused = view is not None and view.paused
        self.query_one("#pause", Button).label = _("Go on") if paused else _("Pause")
        over = view is None or view.active or view.state == "done"
        self.query_one("#resume", Button).disabled = over

    def action_watch(self) -> None:
        """Go to the form; where there is room for only one, it comes in place of the curve."""
        self.remove_class("-watching")
        self.query_one("#field-base").focus()

    @on(Form.Left)
    def form_left(self) -> None:
        """Go back to the runs and their curve."""
        self.add_class("-watching")
        self.query_one("#runs").focus()

    @on(Button.Pressed, "#stop")
    def action_stop(self) -> None:
        """Ask the run to save and end; the second time, kill it."""
        view = self._view
        active = view is not None and view.active
        self.notify(escape(view.stop() if view and active else _("This run has ended.")))

    @on(Button.Pressed, "#pause")
    def action_pause(self) -> None:
        """Ask the run to pause after its step, or to go on."""
        if (view := self._going()) is not None:
            self.notify(escape(view.turn()))
            self._show_runs()

    @on(Button.Pressed, "#save")
    def save_pressed(self) -> None:
        """Ask the run to save now."""
        self.action_ask("save")

    @on(Button.Pressed, "#sample")
    def sample_pressed(self) -> None:
        """Ask the run to draw its samples now."""
        self.action_ask("sample")

    def action_ask(self, command: str) -> None:
        """Ask the run for something after its step."""
        if (view := self._going()) is not None:
            self.notify(escape(view.ask(command)))

    def _going(self) -> JobView | None:
        view = self._view
        if view is not None and view.running:
            return view
        self.notify(_("This run does not run."))
        return None

    # ---- several runs --------------------------------------------------------------------

    def action_mark(self) -> None:
        """Compare the run under the cursor with others, or no longer."""
        if (view := self._view) is None:
            return
        if view.job.name in self._marked:
            self._marked.remove(view.job.name)
        elif len(self._marked) < len(LETTERS):
            self._marked.append(view.job.name)
        else:
            self.notify(_("At most {n} runs are compared.").format(n=len(LETTERS)))
        self.query_one("#runs", ItemList).action_move(1)
        self._show_runs()

    def action_unmark(self) -> None:
        """Compare nothing, and show the curve."""
        self._marked.clear()
        panel = self.query_one(RunPanel)
        if panel.current != "curve":
            panel.open("curve")
        self.query_one("#runs").focus()
        self._show_runs()

    def action_panel(self, name: str) -> None:
        """Show the log or the doctor's words in the place of the curve, and back."""
        self.add_class("-watching")
        panel = self.query_one(RunPanel)
        panel.open(name)
        if panel.current == "curve":
            self.query_one("#runs").focus()

    def action_look(self, step: int) -> None:
        """Show another sample of the run."""
        self.query_one(RunPanel).step_sample(step)

    @work(group="queue-move", exit_on_error=False)
    async def action_queue(self, step: int) -> None:
        """Move the run under the cursor in the queue."""
        view = self._view
        if view is None or view.job.name not in self._waiting:
            self.notify(_("This run does not wait in the queue."))
            return
        place = self._waiting.index(view.job.name) + 1 + step
        await asyncio.to_thread(queue.move, view.job, place)
        self._look_at_queue()

    @on(Button.Pressed, "#resume")
    @work(group="resume", exit_on_error=False)
    async def action_resume(self) -> None:
        """Continue a run that was stopped or died."""
        view = self._view
        if view is None or view.state == "done":
            self.notify(_("There is no run to continue."))
            return
        with self.session.launcher.once(self) as free:
            if free:
                continuing: Worker[jobs.Job] = self._resume(view.job.name)
                await continuing.wait()
                self.notify(escape(_("{title} continues.").format(title=view.title)))

    @work(group="export", thread=True, exclusive=True, exit_on_error=False)
    def _resume(self, name: str) -> jobs.Job:
        return completed(resume(self.session.project, name), self._show_progress)


def base_models(project: Project) -> list[str]:
    """Return the base models in the project, as named in the setting."""
    if not project.models.is_dir():
        return []
    found = sorted(project.models.glob("*/model_index.json"))
    return [project.relative(path.parent) for path in found]
