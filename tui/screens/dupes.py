"""Stage 2: duplicates, side by side; all but one are excluded, never deleted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from prep import events
from prep.curation.duplicates import resolving
from prep.curation.duplicates.groups import UNCERTAIN, DuplicateGroup
from prep.curation.duplicates.neighbours import relative
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import EXCLUDED, Change
from prep.language import _, marked, translated
from prep.ops import dupes
from tui import commands
from tui.dialogs.preview import Preview
from tui.jobs.operations import watched
from tui.notices import tell
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.stages import StageState
from tui.widgets.clipped import Clipped
from tui.widgets.image_pair import ImagePair, Side
from tui.widgets.job_strip import progress
from tui.widgets.line_list import ItemList, LineList, Piece, cell, count_of

_REASONS = {
    "exact": marked("the same"),
    "near": marked("nearly the same"),
    "mirrored": marked("mirror images"),
    "rotated": marked("turned"),
    UNCERTAIN: marked("unclear"),
}


@dataclass
class Comparing(Message):
    """Progress of the comparison."""

    what: str
    done: int
    total: int

    def can_replace(self, message: Message) -> bool:
        """Only the newest count matters."""
        return isinstance(message, Comparing)


@dataclass
class Compared(Message):
    """The comparison has ended."""

    groups: list[events.Group]


class DupesScreen(StageScreen):
    """Groups on the left, two pictures of a group on the right."""

    MODE = "dupes"
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("dupes", "picture")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._groups: list[events.Group] = []
        self._keep: dict[int, str] = {}
        self._shown: dict[int, int] = {}
        self._rows: dict[str, ImageRow] = {}
        self._files: dict[str, tuple[int, int]] = {}
        self._compared = self._done = False

    def body(self) -> ComposeResult:
        """Make the panels."""
        with Vertical(id="groups-panel"):
            yield ItemList(
                id="groups",
                heading=_("  groups"),
                empty=_("no duplicates"),
                loading=_("comparing…"),
            )
            yield Clipped(id="groups-status")
        yield ImagePair(self.session, id="pair")

    @property
    def _pair(self) -> ImagePair:
        return self.query_one(ImagePair)

    def start_focus(self) -> str:
        """The groups."""
        return "#groups"

    # ---- comparing -----------------------------------------------------------------------

    def reload(self) -> None:
        """Compare on the first visit, once all images are known; later refresh exclusions."""
        if not self.session.scanned:
            self._status(_("waiting for the scan…"))
        elif not self._compared:
            self._compared = True
            self._compare()
        else:
            self._read_rows()

    def action_find(self) -> None:
        """Compare again."""
        self._compare()

    @work(group="dupes", exclusive=True, thread=True, exit_on_error=False)
    def _compare(self) -> None:
        groups: list[events.Group] = []
        for event in watched(dupes.run(self.session.project)):
            if isinstance(event, events.Progress):
                self.post_message(Comparing(event.what, event.done, event.total))
            elif isinstance(event, events.Group):
                groups.append(event)
            elif isinstance(event, events.Finished):
                self.post_message(Compared(groups))

    def on_comparing(self, message: Comparing) -> None:
        """Show the progress."""
        self._done = False
        self._status(progress(message.what, message.done, message.total, 12))

    def on_compared(self, message: Compared) -> None:
        """Show the groups."""
        self._groups, self._keep, self._shown, self._done = message.groups, {}, {}, True
        self._files = {}
        self._read_rows()

    @work(group="rows", exclusive=True, exit_on_error=False)
    async def _read_rows(self) -> None:
        paths = {path for group in self._groups for path in group.images}

        def read(index: Index) -> dict[str, ImageRow]:
            return {path: row for path in paths if (row := index.get(path)) is not None}

        self._rows = await self.session.queries.run(read)
        for path, row in self._rows.items():
            self._files.setdefault(path, (row.size, row.mtime_ns))
        self._show_groups()

    # ---- drawing -------------------------------------------------------------------------

    def _show_groups(self) -> None:
        groups = self.query_one("#groups", ItemList)
        groups.show([self._line(number) for number in range(len(self._groups))])
        undecided = [n for n in range(len(self._groups)) if self._open(n)]
        unclear = sum(self._unclear(number) for number in undecided)
        open_ = len(undecided) - unclear
        if self._groups:
            status = _("{groups}, {open} to decide")
            if unclear:
                status = _("{groups}, {open} to decide, {unclear} unclear")
            groups_ = count_of(len(self._groups), "group")
            self._status(status.format(groups=groups_, open=open_, unclear=unclear))
        else:
            self._status(_("no duplicates found"))
            self._pair.show(Side("", None), Side("", None))
        state = StageState("needs you", count_of(open_, "group")) if open_ else None
        self.remark(state or StageState("done", _("no duplicates left")))

    def _line(self, number: int) -> list[Piece]:
        group = self._groups[number]
        mark: Piece = ("! ", "warn") if self._open(number) else ("✓ ", "good")
        if self._unclear(number) and self._open(number):
            mark = ("? ", "dim")
        name = self._kept(number).rpartition("/")[2]
        reason = _(_REASONS.get(group.reason, group.reason))
        if self._open(number) and (fault := self._fault(number)):
            reason = fault
        return [mark, (cell(name, 16), ""), (f" {len(group.images)} {reason}", "dim")]

    def _kept(self, number: int) -> str:
        return self._keep.get(number, self._groups[number].keep)

    def _others(self, number: int) -> list[ImageRow]:
        """Return the images of a group that are neither kept nor excluded."""
        rows = (self._rows.get(p) for p in self._groups[number].images if p != self._kept(number))
        return [row for row in rows if row is not None and row.excluded is None]

    def _open(self, number: int) -> bool:
        """Return whether more than one image of a group is left."""
        kept = self._rows.get(self._kept(number))
        here = kept is not None and kept.usable
        return here + len(self._others(number)) > 1

    def _fault(self, number: int) -> str:
        """Return why the comparison no longer holds, or an empty string."""
        kept = self._rows.get(self._kept(number))
        if kept is None or not kept.usable:
            there = kept is not None and kept.excluded
            return _("kept one is excluded") if there else _("kept one gone")
        rows = [kept, *self._others(number)]
        same = all(self._files.get(row.path) == (row.size, row.mtime_ns) for row in rows)
        return "" if same else _("files changed")

    def _unclear(self, number: int) -> bool:
        """Return whether a group is only for a person to decide."""
        return self._groups[number].reason == UNCERTAIN or bool(self._fault(number))

    @on(LineList.Moved, "#groups")
    def show_pair(self) -> None:
        """Show the kept picture and another one."""
        if not self._groups:
            return
        number = self.query_one("#groups", ItemList).cursor
        group, kept = self._groups[number], self._kept(number)
        others = [path for path in group.images if path != kept]
        place = self._shown.get(number, 0) % len(others)
        bits = group.distances[group.images.index(others[place])]
        reason = _(_REASONS.get(group.reason, group.reason))
        first = "?" if group.reason == UNCERTAIN else f"✓ {_('kept')}"
        if fault := self._fault(number):
            text = _("{fault}: b keeps the right one, f compares again")
            first = f"! {text.format(fault=fault)}"
        title = f"{first}{f' · {translated(group.why)}' if group.why else ''}"
        row = self._rows.get(others[place])
        detail = group.details[group.images.index(others[place])] if group.details else ""
        state = ", ".join(
            filter(None, (reason, _("{count} bits off").format(count=bits), translated(detail)))
        )
        if row is not None and row.excluded:
            state = f"– {_('excluded')}"
        turns = group.turns or [0] * len(group.images)
        mine, its = (turns[group.images.index(path)] for path in (kept, others[place]))
        self._pair.show(
            Side(title, self._rows.get(kept)),
            Side(
                _("{number} of {total}: {state}").format(
                    number=place + 1, total=len(others), state=state
                ),
                row,
                relative(mine, its),
            ),
        )

    def _status(self, text: str) -> None:
        self.query_one("#groups-status", Static).update(Content(text))

    # ---- deciding ------------------------------------------------------------------------

    def action_flip(self) -> None:
        """Show one picture in the place of the other."""
        self._pair.flip()

    def action_side_by_side(self) -> None:
        """Show both pictures."""
        self._pair.side_by_side()

    def action_toggle_zoom(self) -> None:
        """Show the whole pictures, or where they differ."""
        self._pair.toggle_zoom()

    def action_zoom(self, steps: int) -> None:
        """Zoom in both pictures."""
        self._pair.zoom(steps)

    def action_pan(self, across: int, down: int) -> None:
        """Move in both pictures."""
        self._pair.pan(across, down)

    def action_next_picture(self) -> None:
        """Show the next picture of the group."""
        number = self.query_one("#groups", ItemList).cursor
        self._shown[number] = self._shown.get(number, 0) + 1
        self.show_pair()

    def action_keep(self) -> None:
        """Keep the picture on the right instead."""
        if not self._groups:
            return
        number = self.query_one("#groups", ItemList).cursor
        others = [p for p in self._groups[number].images if p != self._kept(number)]
        self._keep[number] = others[self._shown.get(number, 0) % len(others)]
        self._shown[number] = 0
        self._show_groups()

    @on(LineList.Chosen, "#groups")
    def action_exclude_group(self) -> None:
        """Exclude all but the kept picture of this group."""
        if not self._groups:
            return
        number = self.query_one("#groups", ItemList).cursor
        if self._open(number) and (fault := self._fault(number)):
            text = _("Not excluded: {fault}.").format(fault=fault)
            tell(self, text, _("Keep another one with b, or compare again: f."))
        else:
            self._exclude([self._choice(number)])

    async def action_exclude_all(self) -> None:
        """Show what excluding all but the kept pictures of all clear groups does, then do it."""
        numbers = [n for n in range(len(self._groups)) if self._open(n) and not self._unclear(n)]
        choices, done = [self._choice(number) for number in numbers], self._done
        found = await self.session.queries.run(lambda index: resolving.judge(index, choices))
        if not found.groups:
            text = _("There is no clear group to decide.") if done else _("Still comparing.")
            self.app.notify(text)
            return
        going = sum(len(group.members) for group in found.groups)
        text = _(
            "{images} of {groups} would be excluded; one of each group stays. No file is deleted."
        ).format(images=count_of(going, "image"), groups=count_of(len(found.groups), "group"))
        lines = [_decided(group) for group in found.groups]
        lines += [
            [
                ("? ", "dim"),
                (cell(path.rpartition("/")[2], 20), ""),
                (f" {_('left: {reason}').format(reason=translated(why))}", "dim"),
            ]
            for path, why in found.left
        ]

        def answered(yes: bool | None) -> None:
            if yes:
                self._exclude(choices)

        await self.app.push_screen(Preview(_("All groups"), text, lines, _("Exclude")), answered)

    @work(group="exclude", exit_on_error=False)
    async def _exclude(self, choices: Sequence[resolving.KeepChoice]) -> None:
        def make(index: Index) -> tuple[str, list[Change]]:
            # Judged again: something may have changed since it was shown.
            changes = resolving.chosen(index, choices)
            count = sum(change.what == EXCLUDED for change in changes)
            one, many = marked("exclude {count} duplicate"), marked("exclude {count} duplicates")
            return (one if count == 1 else many).format(count=count), changes

        done = await self.session.decide(make)
        if done.changed:
            self.query_one("#groups", ItemList).action_move(1)

    def _choice(self, number: int) -> resolving.KeepChoice:
        """Return the kept picture of a group, and the orientation of the others relative to it."""
        group, kept = self._groups[number], self._kept(number)
        turns = group.turns or [0] * len(group.images)
        mine = turns[group.images.index(kept)]
        others = [
            (path, group.reason, relative(mine, turn))
            for path, turn in zip(group.images, turns, strict=True)
            if path != kept
        ]
        return resolving.KeepChoice(kept, others)


def _decided(group: DuplicateGroup) -> list[Piece]:
    """Return a group as a line: the image that stays, and those that go."""
    names = ", ".join(member.row.path.rpartition("/")[2] for member in group.members)
    keep = group.keep.path.rpartition("/")[2]
    return [
        ("✓ ", "good"),
        (_("{image} stays").format(image=keep), ""),
        ("  – ", "warn"),
        (names, "dim"),
    ]
