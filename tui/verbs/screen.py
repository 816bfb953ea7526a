"""One form for any verb: its inputs, its command line, a live preview, and its result."""

import asyncio
from functools import partial
from typing import ClassVar

from rich.markup import escape
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static
from textual.worker import Worker

from prep.language import _
from tui import commands
from tui.first_frame import fit
from tui.jobs.launch import launch
from tui.notices import report_worker
from tui.session import Session
from tui.verbs.command import Fault, faults, missing, shell_line, words
from tui.verbs.ending import run_ended
from tui.verbs.fields import Field, OptionField, ScopeField, composed, field_for
from tui.verbs.first import first_of
from tui.verbs.known import known_names
from tui.verbs.options import PATH, PROJECT, WHERE, Value, VerbSpec, spec_of
from tui.verbs.output import Output
from tui.verbs.result import Result
from tui.verbs.runs import POLL, JobRun, Run, ShortRun, argv
from tui.widgets.job_strip import JobStrip
from tui.widgets.key_line import KeyLine

QUIET = 0.4
"""Seconds without an entry before the entries are checked and the preview runs."""
_OTHER_FILTER = "other filter"


class VerbScreen(ModalScreen[None]):
    """The form of a verb."""

    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("verb")

    def __init__(self, session: Session, spec: VerbSpec, paths: list[str]) -> None:
        """Create the form.

        Args:
            session: The open project.
            spec: The verb.
            paths: The paths of the selected images.
        """
        super().__init__()
        self.session, self.spec, self._paths = session, spec, paths
        self._typed = session.typed.setdefault(spec.verb.name, {})
        self._first = first_of(spec)
        self._preview: ShortRun | None = None
        self.run: Run | None = None
        self._starting = False
        self._drawn = -1
        self._seen: dict[str, Value] = {}

    # ---- composing -----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Compose the form."""
        fit(self)
        verb = self.spec.verb
        yield Static(Content(f"{verb.name} · {_(verb.help)}"), id="verb-title")
        with Container(id="verb-body"):
            with Vertical(id="verb-form"):
                with VerticalScroll(id="verb-fields", can_focus=False):
                    if scope := self._scope_field():
                        yield scope
                    yield from (self._field(name) for name in self._first)
                    if self._folded:
                        yield Button(_("More options"), id="verb-more", compact=True)
                        yield Vertical(id="folded")
                yield Static(id="verb-help")
            yield Result()
        with VerticalScroll(id="verb-line", can_focus=False):
            yield Static(id="verb-command")
        with Horizontal(id="verb-buttons"):
            yield Button(_("Run"), compact=True, id="verb-run", variant="primary")
            if self.spec.previews and self.spec.conduct.long:
                yield Button(_("Dry run"), compact=True, id="verb-dry")
            yield Button(_("Copy as command"), compact=True, id="verb-copy")
            yield Button(_("Undo"), compact=True, id="verb-undo", disabled=True)
            if self.spec.conduct.long:
                yield Button(_("Stop"), compact=True, id="verb-stop", disabled=True)
        yield JobStrip(only_notices=True)
        yield KeyLine()

    @property
    def _folded(self) -> list[str]:
        names = (option.name for option in self.spec.options)
        return [name for name in names if name not in (*self._first, WHERE, PATH)]

    def _scope_field(self) -> ScopeField | None:
        if self.spec.option(WHERE) is None:
            return None
        by_path = self.spec.option(PATH) is not None
        other = self._typed.get(_OTHER_FILTER)
        return ScopeField(
            self.session.scope,
            self._paths,
            by_path=by_path,
            where=other if isinstance(other, str) and not self._paths else None,
        )

    def _field(self, name: str) -> OptionField:
        option = self.spec.option(name)
        assert option is not None
        default = option.default
        if name == PROJECT and not option.required:
            # Without one, the verb does something else; but the project is what one has in mind.
            default = str(self.session.project.root)
        return field_for(option, self._typed.get(name, default))

    async def on_mount(self) -> None:
        """Focus the first input; check and preview."""
        if any(self._typed.get(name) not in (None, self._default(name)) for name in self._folded):
            await self.action_more()
        self.set_interval(POLL, self._show_run)
        inputs = [each for each in self.query("OptionField *") if each.focusable]
        self.set_focus(inputs[0] if inputs else self.query_one(Output))
        self._complete()
        self._seen = self.values
        self._show_command()
        self._check(0.0)

    def _default(self, name: str) -> Value:
        option = self.spec.option(name)
        return None if option is None else option.default

    @work(group="verb-known", exit_on_error=False)
    async def _complete(self) -> None:
        known = await known_names(self.session, self.spec)
        for field in self.query(OptionField):
            if field.key in known:
                field.know(known[field.key])

    # ---- what is entered -----------------------------------------------------------------

    @property
    def values(self) -> dict[str, Value]:
        """What is entered, also in inputs that are not shown."""
        found = {name: value for name, value in self._typed.items() if self.spec.option(name)}
        for field in composed(self, Field):
            found |= field.values
        return found

    def _keep(self) -> None:
        """Remember what is entered for the next time that the form is opened."""
        for field in composed(self, OptionField):
            self._typed |= field.values
        for scope in self.query(ScopeField):
            self._typed.pop(_OTHER_FILTER, None)
            if scope.other is not None:
                self._typed[_OTHER_FILTER] = scope.other

    def _words(self, *, dry: bool = False, as_events: bool = False) -> list[str]:
        root = self.session.project.root
        return words(self.spec, root, self.values, dry=dry, as_events=as_events)

    @on(Field.Changed)
    def entered(self) -> None:
        """Show the new command line; check it after a pause."""
        values = self.values
        if values == self._seen:  # inputs also tell of what they begin with
            return
        self._seen = values
        self._keep()
        self._show_command()
        self._check(QUIET)

    def _show_command(self) -> None:
        self.query_one("#verb-command", Static).update(Content(f"$ {shell_line(self._words())}"))

    @work(group="verb-check", exclusive=True, exit_on_error=False)
    async def _check(self, quiet: float) -> None:
        """Check what is entered, and run what changes nothing."""
        await asyncio.sleep(quiet)
        if await self._sound() and not self._busy:
            why_not = self._why_not_live()
            if why_not:
                self.query_one(Result).say(why_not)
            else:
                await self._run_live()

    async def _sound(self) -> bool:
        """Show what is wrong with the inputs; return whether nothing is."""
        await self._end_preview()
        found = [Fault(WHERE, text) for scope in self.query(ScopeField) if (text := scope.fault())]
        found += missing(self.spec, self.values)
        if not found:
            found = await asyncio.to_thread(faults, self.spec, self.values, self._words())
        self._show_faults(found)
        return not found

    def _show_faults(self, found: list[Fault]) -> None:
        fields = {field.key: field for field in composed(self, Field)}
        for name, field in fields.items():
            field.say("; ".join(fault.text for fault in found if fault.name == name))
        self.query_one("#verb-run", Button).disabled = bool(found)
        elsewhere = [fault for fault in found if fault.name not in fields]
        told = [f"{name.lstrip('-')}: {text}" if name else text for name, text in elsewhere]
        if found and not self._busy:
            self.query_one(Result).say(
                f"× {'; '.join(told)}" if told else _("Some inputs are missing or wrong.")
            )

    def _why_not_live(self) -> str:
        """Return why nothing runs before it is asked for; empty if it may."""
        spec, values = self.spec, self.values
        if spec.is_long(values):
            return _("May take long: it runs as a job, which goes on without this window.")
        if spec.writes(values) and not spec.has_dry_run(values):
            return _("Run it to see what it does.")
        return ""

    # ---- running -------------------------------------------------------------------------

    @property
    def _busy(self) -> bool:
        return self._starting or (self.run is not None and self.run.running)

    async def _run_live(self) -> None:
        """Run what changes nothing, and show what it says."""
        dry = self.spec.has_dry_run(self.values)
        command = self._words(dry=dry, as_events=True)
        run = self._preview = ShortRun(self.spec.verb.name, command, writes=False)
        self.run = None
        while run.running:
            await asyncio.to_thread(run.poll)
            ended = _("Result")
            if dry and run.changes:
                ended = _("Preview: {changes}, nothing is written").format(changes=run.changes)
            elif dry:
                ended = _("Preview: nothing is written")
            self.query_one(Result).show(run, ended)
            await asyncio.sleep(POLL)

    async def _end_preview(self) -> None:
        """End the dry run before; two at once would only slow each other down."""
        if self._preview is not None:
            await self._preview.stop()
            self._preview = None

    @on(Button.Pressed, "#verb-run")
    def action_run(self) -> None:
        """Run the verb."""
        self._press(dry=False)

    @on(Button.Pressed, "#verb-dry")
    def action_dry(self) -> None:
        """Show what would change, of verbs that take long; others show it by themselves."""
        self._press(dry=True)

    def _press(self, *, dry: bool) -> None:
        if self._busy:
            self.notify(_("It is still running."))
        elif dry and not self.spec.has_dry_run(self.values):
            self.notify(_("With these options nothing is written, so there is no dry run."))
        else:
            self._starting = True
            self.workers.cancel_group(self, "verb-check")
            self._start(dry)

    @work(group="verb-start", exit_on_error=False)
    async def _start(self, dry: bool) -> None:
        try:
            if await self._sound():
                self.run = await self._begun(dry)
                self.query_one("#verb-undo", Button).disabled = True
                ended = partial(run_ended, self.app, self.session)
                # Its end is waited for by the application: this form may be left before.
                self.app.run_worker(self.run.follow(ended), group="verb-run", exit_on_error=False)
        finally:
            self._starting = False

    async def _begun(self, dry: bool) -> Run:
        spec, values = self.spec, self.values
        name, command = spec.verb.name, self._words(dry=dry, as_events=True)
        writes = spec.writes(values) and not dry
        if not spec.is_long(values):
            return ShortRun(name, command, writes=writes)
        title, kind = f"dry run: {name}" if dry else name, name.replace(" ", "-")
        job = await asyncio.to_thread(launch, self.session.project, kind, argv(command), title)
        return JobRun(name, job, writes=writes)

    # ---- what it says --------------------------------------------------------------------

    def _show_run(self) -> None:
        """Show what is new of a run."""
        run = self.run
        if run is None or run.news == self._drawn:
            return
        self.query_one(Result).show(run)
        self._drawn = run.news
        self.query_one("#verb-undo", Button).disabled = run.running or not run.edit
        for stop in self.query("#verb-stop").results(Button):
            stop.disabled = not (run.running and isinstance(run, JobRun))

    # ---- the rest ------------------------------------------------------------------------

    @on(DescendantFocus)
    def explain(self, event: DescendantFocus) -> None:
        """Explain the input in focus."""
        for node in event.widget.ancestors_with_self:
            if isinstance(node, Field):
                option = self.spec.option(node.key)
                self.query_one("#verb-help", Static).update(
                    Content(option.explained if option else "")
                )

    @on(Input.Submitted)
    def action_next(self) -> None:
        """Go to the next input."""
        self.focus_next()

    def action_previous(self) -> None:
        """Go to the previous input."""
        self.focus_previous()

    @on(Button.Pressed, "#verb-copy")
    def action_copy(self) -> None:
        """Copy the command line."""
        if found := missing(self.spec, self.values):
            fault = _("Not copied: {input} {fault}.")
            fault = fault.format(input=_(found[0].name.lower()), fault=found[0].text)
            self.notify(fault, severity="warning")
            return
        self.app.copy_to_clipboard(shell_line(self._words()))
        self.notify(
            _("Copied. If your terminal has no clipboard, select the line and copy it there.")
        )

    @on(Button.Pressed, "#verb-more")
    async def action_more(self) -> None:
        """Show or hide the other inputs; they are made when they are first asked for."""
        if not self._folded:
            return
        folded = self.query_one("#folded", Vertical)
        if not folded.children:
            await folded.mount_all(self._field(name) for name in self._folded)
            await self._complete().wait()
            self._seen = self.values
        self.toggle_class("-all")
        shown = self.has_class("-all")
        self.query_one("#verb-more", Button).label = (
            _("Fewer options") if shown else _("More options")
        )

    @on(Button.Pressed, "#verb-stop")
    def stop(self) -> None:
        """Ask the job to stop; the second time, kill it."""
        if isinstance(self.run, JobRun):
            view = self.session.board.views.get(self.run.job.name)
            if view is not None:
                self.notify(escape(view.stop()))

    @on(Button.Pressed, "#verb-undo")
    async def undo(self) -> None:
        """Take back what was just done."""
        self.query_one("#verb-undo", Button).disabled = True
        await self.app.run_action("undo")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer a dry run where it does not come by itself."""
        del parameters
        return action != "dry" or (self.spec.previews and bool(self.spec.conduct.long))

    async def action_leave(self) -> None:
        """Go back; what writes goes on."""
        if self.run is not None and self.run.running:
            text = _("{verb} goes on; its end is told here.")
            self.app.notify(text.format(verb=self.run.verb))
        self.dismiss()

    async def on_unmount(self) -> None:
        """End a dry run that nobody waits for."""
        await self._end_preview()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)


async def verb_form(session: Session, name: str) -> VerbScreen:
    """Return the form of a verb, for the images that are chosen."""
    # The verb's module is imported for it, which takes a moment.
    spec = await asyncio.to_thread(spec_of, name)
    ids = session.scope.selected
    paths = await session.rows.run(lambda index: [row.path for row in index.rows(ids)])
    return VerbScreen(session, spec, paths)
