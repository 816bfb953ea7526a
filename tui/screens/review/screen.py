"""The screen: one question at a time, its pictures, its answers and what is left."""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from PIL import Image
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from prep.curation.review import Answer, Decision, Kind, alike, counts
from prep.curation.review.present import Facts
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import CONTENT, MOVED, Change
from prep.images import decode
from prep.language import _, marked, translated
from prep.ops import review
from prep.ops.review.cuts import HeadLoss
from tui import commands
from tui.notices import tell
from tui.overlays import with_crops
from tui.screens.review.search import Answering, Searched, search
from tui.screens.review.texts import (
    answer_to_all,
    answers,
    beside,
    idle_actions,
    is_pair,
    left_alone,
    line,
    meaning,
    nothing_proposed,
)
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.stages import StageState
from tui.widgets.clipped import Clipped
from tui.widgets.job_strip import progress
from tui.widgets.key_line import KeyLine
from tui.widgets.line_list import ItemList, LineList
from tui.widgets.picture import Picture
from tui.widgets.search_progress import Searching

_BAR = 8
_HOLD = "\N{NO-BREAK SPACE}"
_NOTICE = 0.5
"""Seconds after which a question that took the place of another one by itself can be answered."""


class ReviewScreen(StageScreen):
    """Questions on the left; pictures, reason and answers on the right."""

    MODE = "review"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("review")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._found: list[Decision] = []
        self._open: list[Decision] = []
        self._rows: dict[str, ImageRow] = {}
        self._kind: Kind | None = None
        self._later: list[str] = []
        self._answering: set[str] = set()
        self._answered: set[str] = set()
        self._drawn: Decision | None = None
        self._seen: Decision | None = None  # what is drawn, once it can be answered
        self._place = self._written = 0
        self._touched = False
        self._dataset: object = None
        self._facts = Facts()
        self._look_again, self._complete = True, False

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="review-panel"):
            yield Static(id="review-kinds")
            yield ItemList(id="decisions", empty=_("nothing to decide"), loading=_("looking…"))
            yield Clipped(id="review-status")
        with Vertical(id="review-look"):
            yield Clipped(id="review-title")
            with Horizontal(id="review-pair"):
                for side in ("first", "second"):
                    with Vertical(classes="side", id=side):
                        yield Picture(self.session, id=f"{side}-picture")
                        yield Clipped(id=f"{side}-about", classes="side-about")
            yield Clipped(id="review-reason")
            yield Static(id="review-answers")

    def start_focus(self) -> str:
        """The questions."""
        return "#decisions"

    # ---- looking -------------------------------------------------------------------------

    def _dataset_changed(self, reason: str) -> None:
        # Edits are judged at once; what is new in captions and files is found after a scan.
        self._look_again |= reason in ("scanned", "settings")
        if reason != "scan":
            super()._dataset_changed(reason)

    def reload(self) -> None:
        """Judge the questions again; look for new ones after a scan."""
        if self.session.scanned:
            self._judge()
        else:
            self._tell(_("waiting for the scan…"))

    def action_search(self) -> None:
        """Look at everything again."""
        self._search()

    @work(group="judge", exclusive=True, exit_on_error=False)
    async def _judge(self) -> None:
        """Drop what is answered or out of date, and take up what was undone."""
        found, look_again = list(self._found), self._look_again
        if look_again:
            self._facts = Facts()
        facts = self._facts

        def judge(index: Index) -> tuple[object, list[Decision], dict[str, ImageRow]]:
            still = review.still_open(index, found, facts)
            paths = {path for decision in still for path in decision.images}
            rows = {path: row for path in paths if (row := index.get(path)) is not None}
            return review.fingerprint(index) if look_again else None, still, rows

        dataset, still, self._rows = await self.session.counts.run(judge)
        if look_again:
            self._look_again = False
            if dataset != self._dataset:
                self._dataset, self._complete = dataset, False
                self._search()
        self._take(still)

    @work(group="search", exclusive=True, thread=True, exit_on_error=False)
    def _search(self) -> None:
        for news in search(self.session.project):
            self.post_message(news)

    def on_searching(self, message: Searching) -> None:
        """Show the progress."""
        self._complete = False
        self._tell(message.text(_BAR))

    def on_searched(self, message: Searched) -> None:
        """Show what was found so far; until the end, what was known before stays."""
        self._complete = message.complete
        ids = {decision.id for decision in message.found}
        rest = [] if message.complete else [d for d in self._found if d.id not in ids]
        self._found = [*message.found, *rest]
        self._judge()

    # ---- the list ------------------------------------------------------------------------

    def _take(self, still: Sequence[Decision]) -> None:
        """List these questions; the cursor stays, or goes to one that is back after an undo."""
        before = {decision.id for decision in self._open}
        self._open = [decision for decision in still if decision.id not in self._answering]
        back = [d for d in self._open if d.id in self._answered and d.id not in before]
        if back and self._kind != back[0].kind:
            self._kind = None
        ids = [decision.id for decision in self._listed]
        place = self.query_one("#decisions", ItemList).cursor
        if back:
            self._answered.discard(back[0].id)
            place = ids.index(back[0].id)
        elif not self._touched:
            place = 0  # what is found later may be more important
        elif self._drawn is not None and self._drawn.id in ids:
            place = ids.index(self._drawn.id)
        self._write(place, by_itself=not back)

    @property
    def _listed(self) -> list[Decision]:
        """The questions of the chosen kind, the postponed ones last."""
        found = [decision for decision in self._open if self._kind in (None, decision.kind)]
        order = {id_: place for place, id_ in enumerate(self._later, 1)}
        return sorted(found, key=lambda decision: order.get(decision.id, 0))

    def _write(self, place: int, *, by_itself: bool = False) -> None:
        """Write the list, with the cursor at a place, and the counts.

        Args:
            place: Of the question to show.
            by_itself: No key has asked for it.
        """
        left = counts(self._open)
        if self._kind not in left:
            self._kind = None
        listed = self._listed
        questions = self.query_one("#decisions", ItemList)
        questions.show(
            [
                line(each, meaning(self.session, each), later=each.id in self._later)
                for each in listed
            ],
            complete=self._complete,
        )
        questions.cursor = place
        self._written = questions.cursor
        self._look(by_itself=by_itself)
        parts: list[tuple[str, int, bool]] = [(_("all"), len(self._open), self._kind is None)]
        parts += [(_(kind), number, kind == self._kind) for kind, number in left.items()]
        # A kind, its number and the dot behind them stay in one line.
        text = f"{_HOLD}· ".join(
            f"{'▸' if here else ''}{name}{_HOLD}{number}" for name, number, here in parts
        )
        self.query_one("#review-kinds", Static).update(Content(text))
        if self._complete:
            self._tell(f"{questions.cursor + 1}/{len(listed)}" if listed else "")
            done = StageState("done", _("nothing to decide"))
            number = len(self._open)
            waiting = StageState("needs you", _("{count} to decide").format(count=number))
            self.remark(waiting if number else done)

    def _tell(self, text: str) -> None:
        self.query_one("#review-status", Static).update(Content(text))

    # ---- one question --------------------------------------------------------------------

    @on(LineList.Moved, "#decisions")
    def moved(self) -> None:
        """Show the question under the cursor."""
        self._touched |= self.query_one("#decisions", ItemList).cursor != self._written
        self._look()

    def _look(self, *, by_itself: bool = False) -> None:
        listed = self._listed
        place = self.query_one("#decisions", ItemList).cursor
        decision = listed[place] if place < len(listed) else None
        if self._drawn is None or decision is None or decision.id != self._drawn.id:
            # Answers count only for what has been on the screen, and was noticed.
            self._seen = None
            self._place = 1 if is_pair(decision) else 0
            if by_itself:
                self.set_timer(_NOTICE, partial(self._now_seen, decision))
            else:
                self.call_after_refresh(self._now_seen, decision)
        elif self._seen is not None:
            self._seen = decision
        self._drawn = decision
        if self._complete and listed:
            self._tell(f"{place + 1}/{len(listed)}")
        self._draw(decision)

    def _now_seen(self, decision: Decision | None) -> None:
        if decision is not None and self._drawn is not None and decision.id == self._drawn.id:
            self._seen = self._drawn

    def _draw(self, decision: Decision | None) -> None:
        title = "" if decision is None else translated(decision.title)
        if told := meaning(self.session, decision):
            title = f"{title}  ({told})"
        if decision is None and self._complete:
            title = _("Nothing waits for a decision.")
        self.query_one("#review-title", Static).update(Content(title))
        reason = "" if decision is None else translated(decision.reason)
        self.query_one("#review-reason", Static).update(Content(reason))
        self.query_one("#review-answers", Static).update(Content(answers(decision, self._open)))
        self.query_one(KeyLine).idle = idle_actions(decision)
        pair = is_pair(decision)
        self.set_class(pair, "-pair")
        self._draw_side("first", decision, 0 if pair else self._place)
        if pair:
            self._draw_side("second", decision, self._place)

    def _draw_side(self, side: str, decision: Decision | None, place: int) -> None:
        images = () if decision is None else decision.images
        row = self._rows.get(images[place]) if place < len(images) else None
        text = ""
        if decision is not None and row is not None:
            text = beside(self.session.project, decision, row, place)
        self.query_one(f"#{side}-about", Static).update(Content(text))
        picture = self.query_one(f"#{side}-picture", Picture)
        if row is None:
            picture.show_text("" if decision is None else _("no picture to show"))
            return
        file = self.session.project.root / row.path
        cut = decision is not None and decision.kind == "cut"
        heads = decision.heads if isinstance(decision, HeadLoss) else ()

        def load() -> Image.Image:
            return with_crops(self.session.project, row, heads) if cut else decode(file)

        picture.show((row.path, row.mtime_ns, cut, heads), load)

    def action_next_picture(self) -> None:
        """Show the next picture of this question."""
        decision, self._touched = self._seen, True
        if decision is not None and decision.images:
            first = 1 if is_pair(decision) else 0
            self._place = first + (self._place + 1 - first) % (len(decision.images) - first)
            self._draw(decision)

    # ---- kinds ---------------------------------------------------------------------------

    def action_kind(self, step: int) -> None:
        """Show only the next kind of which there is something."""
        order: list[Kind | None] = [None, *counts(self._open)]
        place = order.index(self._kind) if self._kind in order else 0
        self._kind = order[(place + step) % len(order)]
        self._write(0)

    def action_all_kinds(self) -> None:
        """Show all kinds."""
        self._kind = None
        self._take(self._open)

    # ---- answers -------------------------------------------------------------------------

    def action_later(self) -> None:
        """Put this question behind all others."""
        if self._seen is not None:
            place, self._touched = self.query_one("#decisions", ItemList).cursor, True
            self._later = [*(id_ for id_ in self._later if id_ != self._seen.id), self._seen.id]
            self._write(place)

    def action_answer(self, answer: Answer) -> None:
        """Answer the question that is shown, and go on to the next."""
        decision = self._seen
        if decision is not None and self._has(decision, answer):
            self._answer([decision], answer)

    def _has(self, decision: Decision, answer: Answer) -> bool:
        """Return whether a question has this answer; tell where yes has nothing to propose."""
        if answer == "yes" and not decision.yes:
            tell(self, _("There is nothing to propose here."), nothing_proposed(decision))
        return bool(decision.consequence(answer))

    def _answer(self, decisions: Sequence[Decision], answer: Answer) -> None:
        place, self._touched = self.query_one("#decisions", ItemList).cursor, True
        ids = {decision.id for decision in decisions}
        place -= sum(each.id in ids for each in self._listed[:place])
        self._answering |= ids
        self._open = [each for each in self._open if each.id not in ids]
        self._carry_out(decisions, answer, self._place)
        self._write(place)

    def on_answering(self, message: Answering) -> None:
        """Show how far an answer to many is; the list comes back when it is carried out."""
        if self._answering and message.total > 1:
            self._tell(progress(marked("answering"), message.done, message.total, _BAR))

    async def action_answer_alike(self, answer: Answer) -> None:
        """Show which questions are like the one that is shown, and give all the same answer."""
        decision = self._seen
        if decision is None or not self._has(decision, answer):
            return
        many = alike(self._open, decision, answer)
        if len(many) < 2:
            self._answer(many, answer)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self._answer(many, answer)

        await self.app.push_screen(answer_to_all(many, answer), answered)

    async def action_fix(self) -> None:
        """Do the other thing that is offered, or go to the stage where it is done."""
        decision = self._seen
        if decision is None or not decision.fix:
            return
        if not decision.stage:
            self.action_answer("fix")
            return
        if decision.stage == "images" and decision.images:
            self.session.wanted = decision.images[self._place]
        await self.app.run_action(f"go('{decision.stage}')")

    @work(group="decide", exit_on_error=False)
    async def _carry_out(self, decisions: Sequence[Decision], answer: Answer, shown: int) -> None:
        left: list[tuple[str, str]] = []
        count = itertools.count(1)

        def taken() -> None:
            self.post_message(Answering(next(count), len(decisions)))

        def make(index: Index) -> tuple[str, list[Change]]:
            edit = review.decided(index, decisions, answer, shown, taken)
            left.extend(edit.left)
            return edit.title, edit.changes

        ids = {decision.id for decision in decisions}
        try:
            done = await self.session.decide(make)
            if done.changed:
                self._answered |= ids
        finally:
            self._answering -= ids
            self._judge()
        if left:
            tell(self, left_alone(left))
        if any(change.what in (CONTENT, MOVED) for change in done.changed):
            await self.app.run_action("rescan")
