"""The base of all stage screens: rail on the left, job strip and keys at the bottom."""

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Container, Horizontal
from textual.screen import Screen
from textual.widget import Widget
from textual.worker import Worker

from tui.first_frame import fit
from tui.jobs.follow import JobView
from tui.notices import report_worker
from tui.session import Session
from tui.stages import StageState
from tui.widgets.job_strip import JobStrip
from tui.widgets.key_line import KeyLine
from tui.widgets.line_list import takes_text
from tui.widgets.picture import Picture
from tui.widgets.rail import Rail

_CLOSER = 3
"""Steps of zooming that enlarge a picture about twice."""


class StageScreen(Screen[None]):
    """A stage. Its data is reloaded when it comes into view after a change."""

    MODE: ClassVar[str] = ""
    AUTO_FOCUS = ""  # None would inherit "*": the first text field

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

    # ---- looking at pictures -------------------------------------------------------------

    @property
    def picture(self) -> Picture:
        """The large picture."""
        return self.query_one(Picture)

    def action_toggle_zoom(self) -> None:
        """Enlarge the picture, or show all of it."""
        self.picture.zoom(0 if self.picture.enlarged else _CLOSER)

    def action_zoom(self, steps: int) -> None:
        """Zoom in or out."""
        self.picture.zoom(steps)

    def action_pan(self, across: int, down: int) -> None:
        """Move the part that is enlarged."""
        self.picture.pan(across, down)

    # ---- jobs ----------------------------------------------------------------------------

    def job_changed(self, view: JobView) -> None:
        """Handle news of a job."""

    # ---- the frame -----------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Compose the frame and the widgets in it, for the size that the terminal has."""
        fit(self)
        with Container(id="frame"):
            yield Rail(self.MODE)
            with Horizontal(id="body"):
                yield from self.body()
        yield JobStrip()
        yield KeyLine()

    def _compositor_refresh(self) -> None:
        """Draw, but not while the application waits for all of a stage to be there.

        Textual would draw and drop it, and no longer know that it is not on the screen; and it
        would draw what has a new layout once more if all is to be drawn.
        """
        if self.app._batch_count:
            return
        if self._repaint_required:
            self._repaint_required = False
            self._compositor._dirty_regions.add(self.size.region)
        super()._compositor_refresh()

    def on_mount(self) -> None:
        """Subscribe to changes."""
        self.session.dataset_changed.subscribe(self, self._dataset_changed)
        self.session.jobs_changed.subscribe(self, self.job_changed)
        self.watch(self, "focused", self._show_mode)
        self.to_commands()

    def _show_mode(self, focused: Widget | None) -> None:
        self.query_one(JobStrip).typing = takes_text(focused)

    def to_commands(self) -> None:
        """Move the focus to the first panel, where keys are commands."""
        self.set_focus(None)
        self.set_focus(self.query_one(self.start_focus()))

    def on_form_left(self) -> None:
        """Go back to commands, on screens that have a form."""
        self.to_commands()

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

    def _dataset_changed(self, _reason: str) -> None:
        self._stale = True
        if self.is_current:
            self._freshen()

    def on_screen_resume(self) -> None:
        """Apply changes made while another screen was shown; keys are commands at first."""
        self._freshen()
        if self.focused is None:
            self.to_commands()

    def _freshen(self) -> None:
        if self._stale:
            self._stale = False
            self.reload()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)
