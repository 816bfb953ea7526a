"""The application on a tour: looks at what the user does, and goes on when it is done.

It only looks. What somebody does in another order counts as well, and nothing waits for it.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from textual.css.query import NoMatches

from prep.dataset.journal.changes import CAPTION
from prep.dataset.journal.edits import Outcome
from prep.language import _
from tui.jobs.follow import JobView
from tui.stage_screen import StageScreen
from tui.tour import progress, steps
from tui.translating_app import TranslatingApp
from tui.widgets.image_list import ImageList
from tui.widgets.job_strip import JobStrip
from tui.widgets.line_list import takes_text

if TYPE_CHECKING:
    from tui.session import Session

LOOK_SECONDS = 0.3
"""Seconds between two looks at what the user does."""
_IMAGES = 2
"""Images that somebody has seen who goes through them."""


class TourApp(TranslatingApp):
    """The tour, if it is under way on the project; else only the way to it.

    Attributes:
        keys: Keys that differ from those of the table, by the ids of commands.
        leads_to: The project that is wanted after this one, where that is known.
    """

    session: "Session"
    keys: dict[str, str]
    leads_to: Path | None = None
    _tour: progress.Progress | None = None

    def on_mount(self) -> None:
        """Go on with a tour that was begun earlier."""
        self.session.edited.subscribe(self, self._edited_on_tour)
        self._looking = self.set_interval(LOOK_SECONDS, self.look, pause=True)
        self._start_tour()

    # ---- on tour -------------------------------------------------------------------------

    def _start_tour(self) -> None:
        """Begin to look, if the tour is under way here."""
        self._seen: set[int] = set()
        self._saved = False
        self._tour = progress.under_way(self.session.project.root)
        if self._tour is not None:
            self._looking.resume()

    def look(self) -> None:
        """Note what is done by now, and show what is next on the stage that is seen.

        When the tour has ended, its last words go as well, on each stage that is seen again.
        """
        if self._tour is not None:
            self._note(*(name for name, done in self._facts().items() if done))
        self._show_tour()

    def _facts(self) -> dict[str, bool]:
        """Return the tasks that can be seen to be done, by their names."""
        mode = self.current_mode
        tagged = [view for view in self._jobs("tag") if "--dry-run" not in view.settings.argv]
        trained = self._jobs("train")
        review = self.session.remarks.get("review")
        return {
            "look": len(self._images_seen()) >= _IMAGES,
            # Who still types would type the key of the next task.
            "caption": self._saved and not takes_text(self.screen.focused),
            "tag": any(view.state == "done" for view in tagged),
            "decide": mode == "review" and review is not None and review.state == "done",
            "plan": mode == "plan",
            "train": any(view.active or view.state == "done" for view in trained),
            "samples": mode == "samples" and any(view.samples for view in trained),
        }

    def _jobs(self, kind: str) -> list[JobView]:
        """Return the jobs of a kind that were started on the tour."""
        since = self._tour.since if self._tour is not None else ""
        return [view for view in self.session.board.newest(kind) if view.job.name >= since]

    def _images_seen(self) -> set[int]:
        """Return the images that the cursor stood on so far."""
        if self.current_mode == "images":
            try:
                at = self.screen_stack[0].query_one(ImageList).at_cursor
            except NoMatches:  # the screen is being made
                at = None
            self._seen |= set() if at is None else {at}
        return self._seen

    def _edited_on_tour(self, done: Outcome) -> None:
        """Note a caption that was saved, or a question that was answered."""
        if self.current_mode == "images":
            self._saved |= any(change.what == CAPTION for change in done.changed)
        if self.current_mode == "review":
            self._note("decide")

    def _note(self, *names: str) -> None:
        tour = self._tour
        if tour is not None and not set(names) <= set(tour.done):
            self._tour = replace(tour, done=tuple(dict.fromkeys((*tour.done, *names))))
            over = steps.place(self._tour.done) == len(steps.STEPS)
            progress.write(progress.Progress() if over else self._tour)

    def _show_tour(self) -> None:
        from tui.tour.bar import TourBar  # only who is on tour waits for it

        for screen in self.screen_stack:
            if not isinstance(screen, StageScreen) or not (strips := screen.query(JobStrip)):
                continue
            bars = screen.query(TourBar)
            if self._tour is None:
                bars.remove()
                continue
            bar = bars.first() if bars else TourBar()
            if not bars:
                screen.mount(bar, before=strips.first())
            bar.show(self._tour.done, self.keys)

    # ---- to it, and out of it ------------------------------------------------------------

    def action_tour(self) -> None:
        """Offer the tour; while it is under way, its next step or its end."""
        if len(self.screen_stack) > 1:
            return
        if self._tour is None:
            from tui.chooser.tour import TourDialog

            self.push_screen(TourDialog(), self._begin_tour)
            return
        from tui.dialogs.question import Question

        number = steps.place(self._tour.done)
        if number == len(steps.STEPS):
            self._turn_tour("end")
            return
        title = _("Tour, step {number} of {count}").format(
            number=number + 1, count=len(steps.STEPS)
        )
        text = _("What is made so far stays. The tour begins anew with the same key.")
        answers = {"next": _("Skip this step"), "end": _("End the tour"), "back": _("Back")}
        self.push_screen(Question(title, text, answers), self._turn_tour)

    async def _begin_tour(self, project: Path | None) -> None:
        if project is None:
            return
        if project == self.session.project.root:
            self._start_tour()
        else:
            await self.run_action(f"open_other({str(project)!r})")

    def _turn_tour(self, answer: str | None) -> None:
        if self._tour is None or answer not in ("next", "end"):
            return
        if answer == "next":
            step = steps.STEPS[steps.place(self._tour.done)]
            self._note(*(task.name for task in step.tasks))
        else:
            progress.write(progress.Progress())
            self._tour = None
        self._show_tour()
