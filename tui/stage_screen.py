"""The base of all stage screens: rail on the left, job strip and keys at the bottom."""

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import Worker

from prep.dataset.journal.edits import Outcome
from tui.jobs.follow import JobView
from tui.notices import report_worker
from tui.session import Session
from tui.stages import StageState
from tui.widgets.job_strip import JobStrip
from tui.widgets.rail import Rail


class StageScreen(Screen[None]):
    """A stage. Its data is reloaded when it comes into view after a change."""

    MODE: ClassVar[str] = ""
    AUTO_FOCUS = None

    def __init__(self, session: Session) -> None:
        super().__init__(classes="stage")
        self.session = session
        self._stale = True

    # ---- for subclasses ------------------------------------------------------------------

    def body(self) -> ComposeResult:
        """Compose the widgets of the stage."""
        raise NotImplementedError

    def reload(self) -> None:
        """Reload the data of the stage; called when the screen is in view."""
        raise NotImplementedError

    def start_focus(self) -> str:
        """Return the selector of the widget that is focused first."""
        raise NotImplementedError

    def job_changed(self, view: JobView) -> None:
        """Handle news of a job."""

    # ---- the frame -----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Compose the frame and the widgets in it."""
        with Container(id="frame"):
            yield Rail(self.MODE)
            with Horizontal(id="body"):
                yield from self.body()
        yield JobStrip()
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Subscribe to changes."""
        self.session.dataset_changed.subscribe(self, self._dataset_changed)
        self.session.jobs_changed.subscribe(self, self.job_changed)
        self.session.edited.subscribe(self, self.edited)
        self.query_one(self.start_focus()).focus()

    def show_states(self, states: Mapping[str, StageState]) -> None:
        """Show the states of the stages."""
        self.query_one(Rail).show(states)

    def remark(self, state: StageState) -> None:
        """Publish the state of this stage, if only its screen knows it."""
        self.session.remarks[self.MODE] = state
        self.session.remarked.publish(self.MODE)

    def show_jobs(self, running: list[JobView], scan: str, last: JobView | None) -> None:
        """Show running work."""
        self.query_one(JobStrip).show(running, scan, last)

    def edited(self, outcome: Outcome) -> None:
        """Handle an edit."""

    def _dataset_changed(self, _reason: str) -> None:
        self._stale = True
        if self.is_current:
            self._freshen()

    def on_screen_resume(self) -> None:
        """Apply changes made while another screen was shown."""
        self._freshen()

    def _freshen(self) -> None:
        if self._stale:
            self._stale = False
            self.reload()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)
