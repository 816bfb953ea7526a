"""The terminal application: stages as modes, one session, and global commands.

Everything slow runs in workers. Work that must outlive a screen (the scan, following jobs) belongs
to the application, since workers die with the node that started them.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from rich.markup import escape
from textual import events as ui_events
from textual import work
from textual.actions import ActionParseResult
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.command import CommandPalette, Provider
from textual.dom import DOMNode
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from prep import events
from prep.dataset.journal.edits import Edit, Outcome
from prep.errors import UserError
from prep.language import _, counted, translated
from prep.project import Project
from prep.system.memory import share_pools
from tui import commands, screens, stages
from tui.about import moment
from tui.dialogs.help import Help
from tui.dialogs.question import Question
from tui.dialogs.settings import Settings
from tui.garbage import settle
from tui.jobs.follow import JobView
from tui.jobs.scanning import ScanProgress, scan
from tui.key_order import KeyOrder, NextRound
from tui.leaving import leave_when_told, quit_question
from tui.line_breaks import break_lines
from tui.notices import SECONDS, report, report_worker, tell_conflicts, unsaved
from tui.pictures import made
from tui.preferences import apply_preferences
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.terminal import Terminal
from tui.themes import THEMES
from tui.tour_app import TourApp
from tui.verbs.ending import in_form
from tui.widgets.job_strip import ending
from tui.widgets.line_list import count_of

FOLLOW_SECONDS = 0.25
"""Seconds between two polls of job directories."""
_REFRESH_SECONDS = 1.0
"""Seconds between two refreshes of lists during a scan."""

EDITING = frozenset({"save", "bulk", "exclude", "concept", "decide"})
"""Groups of workers that edit."""


def _table_provider() -> type[Provider]:
    """Return what the palette offers, which nobody needs before it is opened."""
    from tui.palette import TableProvider

    return TableProvider


class ShikomiApp(TourApp):
    """One open project."""

    TITLE = "shikomi"
    CSS_PATH = "app.tcss"
    COMMANDS: ClassVar = {*TourApp.COMMANDS, _table_provider}
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("app")
    # Textual declares these as instance variables, so ClassVar would be a type error.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide"), (150, "-very-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-flat"), (12, "-low"), (34, "-high")]  # noqa: RUF012
    DEFAULT_MODE = "images"

    def __init__(self, project: Project, terminal: Terminal | None = None) -> None:
        super().__init__(terminal)
        break_lines()
        self.session = Session(self, project, self.overlay)
        self.survey = stages.Survey()
        self._turning = asyncio.Lock()
        self._keys = KeyOrder(self, super().on_event)
        self._scan_text = ""
        self._since_refresh = 0.0
        self.keys: dict[str, str] = {}
        self.another = False  # another project is wanted after this one
        for mode in screens.SCREENS:
            self.add_mode(mode, partial(self._stage, mode))

    def _stage(self, mode: str) -> StageScreen:
        return screens.screen_of(mode)(self.session)

    # ---- keys ----------------------------------------------------------------------------

    async def on_event(self, event: ui_events.Event) -> None:
        """Give keys to widgets one after the other."""
        if isinstance(event, ui_events.Key | ui_events.Paste) and not event.is_forwarded:
            await self._keys.take(event)
        else:
            await super().on_event(event)

    async def run_action(
        self,
        action: "str | ActionParseResult",
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Run an action; what it refuses is told, and ends nothing."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except UserError as error:
            report(self, error)
            return True

    def _fatal_error(self) -> None:
        """End after a fault of the program, without Textual's traceback: ``run`` raises it."""
        self._close_messages_no_wait()

    async def on_next_round(self, message: NextRound) -> None:
        """Go on with the keys that wait."""
        message.stop()
        await self._keys.go_on()

    # ---- life ----------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Show the project; work in the background starts with the first frame on the screen."""
        leave_when_told(self)
        self.keys = apply_preferences(self)
        self.sub_title = self.session.project.name
        self.session.dataset_changed.subscribe(self, self._dataset_changed)
        self.session.edited.subscribe(self, self._edited)
        self.session.turned.subscribe(self, self._show_conflicts)
        self.session.jobs_changed.subscribe(self, self._job_changed)
        self.session.remarked.subscribe(self, lambda _: self.show_states())
        self._show_drafts()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        settle()
        share_pools()
        self._follow_jobs()
        self._begin_to_work()

    @work(group="begin", exit_on_error=False)
    async def _begin_to_work(self) -> None:
        """Begin what keeps the processor busy, after the first list of images."""
        listed = self.session.queries.run(lambda _: None)
        await asyncio.gather(listed, return_exceptions=True)  # who asked for the list tells it
        self._show_unfinished()
        self.action_rescan()

    def on_unmount(self) -> None:
        """End the threads."""
        self.session.close()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)
        if event.worker.group == "scan" and event.worker.is_finished:
            self._scan_text = ""
            self._show_strip()
            if event.state is WorkerState.ERROR:
                self.on_scan_done()  # what is known is all that there will be
        elif event.worker.group == "ahead" and event.worker.is_finished:
            settle()

    def on_app_focus(self) -> None:
        """Rescan when the user comes back from another program."""
        self.action_rescan()

    # ---- scan ----------------------------------------------------------------------------

    def action_rescan(self) -> None:
        """Update the index, unless a scan is running."""
        if not any(w.group == "scan" and w.is_running for w in self.workers):
            self._scan()

    @work(group="scan", thread=True, exit_on_error=False)
    def _scan(self) -> None:
        project = Project.open(self.session.project.root)
        if project.settings != self.session.project.settings:
            self.call_from_thread(self.session.reopen, project)
        for news in scan(project):
            self.post_message(news)

    def on_scan_progress(self, message: ScanProgress) -> None:
        """Show the images found so far; the lists stay usable."""
        self._scan_text = counted(
            "scanning… {count} image", "scanning… {count} images", message.files
        )
        self._show_strip()
        now = asyncio.get_running_loop().time()
        if message.new and now - self._since_refresh > _REFRESH_SECONDS:
            self._since_refresh = now
            self.session.dataset_changed.publish("scan")

    def on_scan_done(self) -> None:
        """Show the complete dataset."""
        if not self.session.scanned:
            self.run_worker(screens.read_ahead, group="ahead", thread=True, exit_on_error=False)
        self.session.scanned = True
        self.session.dataset_changed.publish("scanned")

    # ---- rail and strip ------------------------------------------------------------------

    def _dataset_changed(self, _reason: str) -> None:
        self._take_survey()

    @work(group="survey", exclusive=True, exit_on_error=False)
    async def _take_survey(self) -> None:
        found = await self.session.counts.run(stages.survey)
        pictures = await asyncio.to_thread(made, self.session.project)
        self.survey = replace(found, samples=len(pictures))
        self.show_states()

    def show_states(self) -> None:
        """Show the states of the stages and the job strip on the current screen."""
        found = stages.states(self.survey, self.session.board) | self.session.remarks
        for screen in self.screen_stack:
            if isinstance(screen, StageScreen):
                screen.show_states(found)
        self._show_strip()

    def _show_strip(self) -> None:
        board = self.session.board
        ended = [view for view in board.newest() if view.watched and not view.running]
        self.show_notice(self.notice)  # also on a screen that has only now come
        for screen in self.screen_stack:
            if isinstance(screen, StageScreen):
                screen.show_jobs(board.running(), self._scan_text, ended[0] if ended else None)

    # ---- jobs ----------------------------------------------------------------------------

    @work(group="follow", exclusive=True, exit_on_error=False)
    async def _follow_jobs(self) -> None:
        while True:
            found = await asyncio.to_thread(self.session.board.poll)
            for view in self.session.board.apply(found):
                self.session.jobs_changed.publish(view)
            await asyncio.sleep(FOLLOW_SECONDS)

    def _job_changed(self, view: JobView) -> None:
        self.show_states()
        if not view.watched or view.running:
            return
        severe = isinstance(view.end, events.Failed) or view.state == "lost"
        if not in_form(self, view.job):
            self.notify(
                escape(ending(view)),
                severity="error" if severe else "information",
                timeout=SECONDS,
            )
        self.action_rescan()

    def action_stop_job(self) -> None:
        """Ask the newest running job to stop; the second time, kill it."""
        running = self.session.board.running()
        self.notify(escape(running[0].stop()) if running else _("No job is running."))

    # ---- edits ---------------------------------------------------------------------------

    @work(group="unfinished", exit_on_error=False)
    async def _show_unfinished(self) -> None:
        """Finish edits that were interrupted, and tell of them."""
        for told in await self.session.unfinished():
            text = translated(f"{told.message}\n{told.hint}")
            self.notify(escape(text), severity="warning", timeout=SECONDS)

    @work(group="undo", exit_on_error=False)
    async def action_undo(self) -> None:
        """Undo the newest edit; ask first if it was not made here."""
        await self._turn(undo=True)

    @work(group="undo", exit_on_error=False)
    async def action_redo(self) -> None:
        """Redo the edit that was undone last; ask first if that was not here."""
        await self._turn(undo=False)

    async def _turn(self, *, undo: bool) -> None:
        async with self._turning:  # one after the other, and after the edits before them
            edits = [w.wait() for w in self.workers if w.group in EDITING and not w.is_finished]
            await asyncio.gather(*edits, return_exceptions=True)
            edit = await self.session.upcoming(undo=undo)
            if edit is None:
                self.notify(_("Nothing to undo.") if undo else _("Nothing to redo."))
            elif self.session.made(edit) or await self._wants(edit, undo=undo):
                done = await self.session.turn(edit, undo=undo)
                text = (
                    _("Undone: {edit} ({changes}). Redo: ctrl+r")
                    if undo
                    else _("Redone: {edit} ({changes}). Undo: u")
                )
                changes = count_of(len(done.changed), "change")
                self.notify(escape(text.format(edit=translated(done.title), changes=changes)))

    async def _wants(self, edit: Edit, *, undo: bool) -> bool:
        """Ask whether an edit of another session or application is meant."""
        when = moment(edit.time)
        changes = count_of(sum(edit.kinds.values()), "change")
        text = _("{edit}\n{changes}, {time}; not made in this session.").format(
            edit=translated(edit.title), changes=changes, time=when
        )
        answers = {"back": _("Back"), "yes": _("Undo") if undo else _("Redo")}
        question = Question(_("Undo this edit?") if undo else _("Redo this edit?"), text, answers)
        return await self.push_screen_wait(question) == "yes"

    def _show_drafts(self) -> None:
        """Tell of captions and crops that an earlier session left unsaved."""
        for text in unsaved(self.session.drafts, self.session.crop_drafts):
            self.notify(escape(text), severity="warning", timeout=SECONDS)

    def _edited(self, done: Outcome) -> None:
        if len(done.changed) > 1:
            text = _("{edit}: {count} images. Press u to undo.").format(
                edit=translated(done.title), count=len(done.changed)
            )
            self.notify(escape(text))
        self._show_conflicts(done)

    def _show_conflicts(self, done: Outcome) -> None:
        """Tell of what an edit, undo or redo left alone."""
        if done.conflicts:
            tell_conflicts(self, done.conflicts)
            self.action_rescan()

    # ---- around --------------------------------------------------------------------------

    async def action_go(self, mode: str) -> None:
        """Go to a stage."""
        if len(self.screen_stack) == 1:
            with self.batch_update():
                await self.switch_mode(mode)
                self.show_states()
            self.screen.refresh()  # nothing else tells it that the batch has ended

    def action_help(self) -> None:
        """Show all keys."""
        self.push_screen(Help(str(self.current_mode), self.keys, self.overlay.terminal.told))

    def action_settings(self) -> None:
        """Show the settings of this person."""
        if not isinstance(self.screen, Settings):
            self.push_screen(Settings([theme.name for theme in THEMES], self.theme, self.keys))

    async def action_verb(self, name: str) -> None:
        """Open the form of a verb; keys that are pressed until it is there are typed into it."""
        from tui.verbs.screen import verb_form

        try:
            await self.push_screen(await verb_form(self.session, name))
        except Exception as error:
            report(self, error)

    def action_command_palette(self) -> None:
        """Offer commands and verbs by their words."""
        if not isinstance(self.screen, CommandPalette):
            placeholder = _("Search for commands…")
            from tui.palette import Palette

            self.push_screen(Palette(placeholder=placeholder, id="--command-palette"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer those of Textual's commands that are not in the table."""
        for command in super().get_system_commands(screen):
            if command.title == "Theme" or (command.title == "Screenshot" and not self.is_web):
                yield command._replace(title=_(command.title), help=_(command.help))

    async def action_open_other(self, project: str = "") -> None:
        """Leave for another project, which is asked for if none is named."""
        self.another, self.leads_to = True, Path(project) if project else None
        await self.action_quit()

    async def action_quit(self) -> None:
        """Leave; with unsaved captions, ask first."""
        drafts = len(self.session.drafts)
        if not drafts:
            self._leave("leave")
            return
        await self.push_screen(quit_question(drafts), self._leave)

    def _leave(self, answer: str | None) -> None:
        if answer == "discard":
            self.session.drafts.clear()
        self.another = self.another and answer in ("leave", "discard")
        if answer in ("leave", "discard"):
            running = self.session.board.running()
            text = counted(
                "{count} job still running: shikomi jobs list",
                "{count} jobs still running: shikomi jobs list",
                len(running),
            )
            self.exit(message=text if running else None)
