"""The screen: the groups, the pictures of one side by side, what is kept and what goes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.markup import escape
from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from prep import events
from prep.curation.duplicates import resolving
from prep.curation.duplicates.groups import UNCERTAIN
from prep.curation.review.present import Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import EXCLUDED, Change
from prep.language import _, marked, translated
from prep.ops import dupes
from prep.ops.review import groups as decided_groups
from tui import commands
from tui.dialogs.preview import Preview
from tui.jobs.operations import on_all_images, watched
from tui.notices import tell
from tui.screens.dupes.groups import GroupList, stays_and_goes
from tui.session import Session
from tui.stage_screen import StageScreen
from tui.stages import StageState
from tui.widgets.clipped import Clipped
from tui.widgets.image_pair import ImagePair, Side
from tui.widgets.line_list import ItemList, LineList, cell, count_of
from tui.widgets.search_progress import Searching


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
        self._groups = GroupList()  # as the list shows them: its cursor is a number in them
        self._fresh: GroupList | None = None
        self._shown: events.Group | None = None
        self._reopened: events.Group | None = None  # to be compared again
        self._wanted: events.Group | None = None  # for the cursor, once that is shown
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
        for event in watched(on_all_images(dupes.run, self.session.project)):
            if isinstance(event, events.Progress):
                self.post_message(Searching(event))
            elif isinstance(event, events.Group):
                groups.append(event)
            elif isinstance(event, events.Finished):
                self.post_message(Compared(groups))

    def on_searching(self, message: Searching) -> None:
        """Show the progress."""
        self._done = False
        self._status(message.text(12))

    def on_compared(self, message: Compared) -> None:
        """Show the groups."""
        self._fresh, self._done = GroupList(message.groups), True
        if (group := self._reopened) is not None:
            self._wanted, self._reopened = group, None
            if not self._fresh.holds(group):
                # A variant, or unclear: only a person has seen that it is a copy.
                self._fresh.found.append(replace(group, reason=UNCERTAIN))
        self._read_rows()

    @work(group="rows", exclusive=True, exit_on_error=False)
    async def _read_rows(self) -> None:
        here = self._shown
        groups = self._groups if self._fresh is None else self._fresh
        self._groups = await self.session.queries.run(groups.read)
        if self._fresh is not None:
            self._fresh, here, self._wanted = None, self._wanted or here, None
        self._show_groups()
        if here is not None and (place := self._groups.place_of(here)) is not None:
            self.query_one("#groups", ItemList).cursor = place

    # ---- drawing -------------------------------------------------------------------------

    def _show_groups(self) -> None:
        groups = self.query_one("#groups", ItemList)
        groups.show([self._groups.line(number) for number in range(len(self._groups))])
        clear, unclear = self._groups.open_ones()
        if len(self._groups):
            status = _("{groups}, {open} to decide")
            if unclear:
                status = _("{groups}, {open} to decide, {unclear} unclear")
            total = count_of(len(self._groups), "group")
            self._status(status.format(groups=total, open=len(clear), unclear=len(unclear)))
        else:
            self._status(_("no duplicates found"))
            self._pair.show(Side("", None), Side("", None))
        state = StageState("needs you", count_of(len(clear), "group")) if clear else None
        self.remark(state or StageState("done", _("no duplicates left")))

    @property
    def _here(self) -> int | None:
        """The number of the group under the cursor."""
        return self.query_one("#groups", ItemList).cursor if len(self._groups) else None

    @property
    def _undecided(self) -> int | None:
        """The number of the group under the cursor, if it is open; tells if it is not."""
        number = self._here
        if number is not None and not self._groups.is_open(number):
            tell(self, _("This group is decided."), _("o asks again; u undoes the last edit."))
            return None
        return number

    @on(LineList.Moved, "#groups")
    def show_pair(self) -> None:
        """Show the kept picture and another one."""
        if (number := self._here) is not None:
            self._shown = self._groups[number]
            self._pair.show(*self._groups.sides(number))

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
        if (number := self._here) is not None:
            self._groups.shown[number] = self._groups.shown.get(number, 0) + 1
            self.show_pair()

    def action_keep(self) -> None:
        """Keep the picture on the right instead."""
        if (number := self._undecided) is not None:
            self._groups.keep_other(number)
            self._show_groups()

    @on(LineList.Chosen, "#groups")
    def action_exclude_group(self) -> None:
        """Exclude all but the kept picture of this group."""
        if (number := self._undecided) is None:
            return
        if fault := self._groups.fault(number):
            text = _("Not excluded: {fault}.").format(fault=fault)
            tell(self, text, _("Keep another one with b, or compare again: f."))
        else:
            self._exclude([self._groups.choice(number)])

    @work(group="exclude", exit_on_error=False)
    async def action_keep_all(self) -> None:
        """Remember that all pictures of this group stay."""
        if (number := self._undecided) is None:
            return
        group = self._groups[number]
        title = marked("keep all images of a group of duplicates")
        done = await self.session.decide(
            lambda index: (title, decided_groups.keep_all(Present(index), group))
        )
        if done.changed:
            self.query_one("#groups", ItemList).action_move(1)

    @work(group="exclude", exit_on_error=False)
    async def action_reopen(self) -> None:
        """Let this group be decided again."""
        number = self._here
        if number is None or self._groups.is_open(number):
            return
        group, title = self._groups[number], marked("decide a group of duplicates again")
        rows = self._groups.rows
        done = await self.session.decide(
            lambda index: (title, decided_groups.reopened(Present(index), group))
        )
        if not done.changed:
            hint = _("Include the images in Images (x) instead.")
            tell(self, _("It was not decided as a group of duplicates."), hint)
            return
        others = (rows.get(path) for path in group.images if path != group.keep)
        if any(row is not None and row.excluded and row.caption for row in others):
            text = _(
                "Open again. Tags taken over by {image} stay; U in Images takes back that edit."
            )
            self.notify(escape(text.format(image=group.keep.rpartition("/")[2])))
        if number >= len(self._groups.found):
            self._reopened = group
            self._compare()

    async def action_exclude_all(self) -> None:
        """Show what excluding all but the kept pictures of all clear groups does, then do it."""
        choices = [self._groups.choice(number) for number in self._groups.open_ones()[0]]
        done = self._done
        found = await self.session.queries.run(lambda index: resolving.judge(index, choices))
        if not found.groups:
            text = _("There is no clear group to decide.") if done else _("Still comparing.")
            self.app.notify(text)
            return
        going = sum(len(group.members) for group in found.groups)
        text = _(
            "{images} of {groups} would be excluded; one of each group stays. No file is deleted."
        ).format(images=count_of(going, "image"), groups=count_of(len(found.groups), "group"))
        lines = [
            stays_and_goes(group.keep.path, (member.row.path for member in group.members))
            for group in found.groups
        ]
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
