"""The groups of duplicates that a screen shows: what is decided of each, and how it is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from prep import events
from prep.curation.duplicates.groups import UNCERTAIN
from prep.curation.duplicates.neighbours import relative
from prep.curation.duplicates.resolving import KeepChoice
from prep.curation.review.present import Present
from prep.dataset.index import ImageRow, Index
from prep.language import _, marked, translated
from prep.ops.review import groups as decided_groups
from tui.widgets.image_pair import Side
from tui.widgets.line_list import Piece, cell

_REASONS = {
    "exact": marked("the same"),
    "near": marked("nearly the same"),
    "mirrored": marked("mirror images"),
    "rotated": marked("turned"),
    UNCERTAIN: marked("unclear"),
}


@dataclass
class GroupList:
    """Groups, as they were found or decided before, with the state of the dataset now.

    Attributes:
        found: The groups of the last comparison.
        before: Groups whose others were excluded before it.
        keep: Number of a group -> image to keep, where it is not the best one.
        shown: Number of a group -> how often the next of its others was asked for.
        rows: The images by path.
        files: Size and time of the files when they were compared.
        apart: Numbers of the groups of which all images stay.
    """

    found: list[events.Group] = field(default_factory=list)
    before: list[events.Group] = field(default_factory=list)
    keep: dict[int, str] = field(default_factory=dict)
    shown: dict[int, int] = field(default_factory=dict)
    rows: Mapping[str, ImageRow] = field(default_factory=dict)
    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    apart: frozenset[int] = frozenset()

    def __len__(self) -> int:
        """Return the number of groups."""
        return len(self.found) + len(self.before)

    def __getitem__(self, number: int) -> events.Group:
        """Return a group; those that were decided before come last."""
        decided = number - len(self.found)
        return self.before[decided] if decided >= 0 else self.found[number]

    def read(self, index: Index) -> "GroupList":
        """Return the same groups with what is known of their images now."""
        present = Present(index)
        before = [group for group in decided_groups.excluded(index) if not self.holds(group)]
        paths = {path for group in (*self.found, *before) for path in group.images}
        rows = {path: row for path in paths if (row := present.row(path)) is not None}
        files = {path: (row.size, row.mtime_ns) for path, row in rows.items()} | self.files
        apart = frozenset(
            number
            for number, group in enumerate(self.found)
            if decided_groups.all_stay(present, group)
        )
        return GroupList(self.found, before, self.keep, self.shown, rows, files, apart)

    def holds(self, group: events.Group) -> bool:
        """Return whether the images of a group are in one that was found."""
        return any(set(group.images) <= set(each.images) for each in self.found)

    def place_of(self, group: events.Group) -> int | None:
        """Return the number of the group that a group is now; ``None`` for none."""
        images = set(group.images)
        places = (n for n in range(len(self)) if images <= set(self[n].images))
        return next(places, None)

    def kept(self, number: int) -> str:
        """Return the path of the image that stays."""
        return self.keep.get(number, self[number].keep)

    def left(self, number: int) -> list[ImageRow]:
        """Return the images of a group that are neither kept nor excluded."""
        rows = (self.rows.get(p) for p in self[number].images if p != self.kept(number))
        return [row for row in rows if row is not None and row.excluded is None]

    def is_open(self, number: int) -> bool:
        """Return whether more than one image of a group is left, and not all are meant to be."""
        kept = self.rows.get(self.kept(number))
        here = kept is not None and kept.usable
        return number not in self.apart and here + len(self.left(number)) > 1

    def fault(self, number: int) -> str:
        """Return why the comparison no longer holds, or an empty string."""
        kept = self.rows.get(self.kept(number))
        if kept is None or not kept.usable:
            there = kept is not None and kept.excluded
            return _("kept one is excluded") if there else _("kept one gone")
        rows = [kept, *self.left(number)]
        same = all(self.files.get(row.path) == (row.size, row.mtime_ns) for row in rows)
        return "" if same else _("files changed")

    def unclear(self, number: int) -> bool:
        """Return whether a group is only for a person to decide."""
        return self[number].reason == UNCERTAIN or bool(self.fault(number))

    def open_ones(self) -> tuple[list[int], list[int]]:
        """Return the numbers of the clear groups that are open, and of the unclear ones."""
        numbers = [number for number in range(len(self)) if self.is_open(number)]
        unclear = [number for number in numbers if self.unclear(number)]
        return [number for number in numbers if number not in unclear], unclear

    def other(self, number: int) -> str:
        """Return the path of the image that is shown beside the kept one."""
        others = [path for path in self[number].images if path != self.kept(number)]
        return others[self.shown.get(number, 0) % len(others)]

    def keep_other(self, number: int) -> None:
        """Let the image that is shown beside the kept one take its place."""
        self.keep[number] = self.other(number)
        self.shown[number] = 0

    def choice(self, number: int) -> KeepChoice:
        """Return the kept image of a group, and the orientation of the others relative to it."""
        group, kept = self[number], self.kept(number)
        turns = group.turns or [0] * len(group.images)
        mine = turns[group.images.index(kept)]
        others = [
            (path, group.reason, relative(mine, turn))
            for path, turn in zip(group.images, turns, strict=True)
            if path != kept
        ]
        return KeepChoice(kept, others)

    # ---- texts ---------------------------------------------------------------------------

    def line(self, number: int) -> list[Piece]:
        """Return a group as a line of the list."""
        group, name = self[number], _name(self.kept(number))
        reason = _(_REASONS.get(group.reason, group.reason))
        if not self.is_open(number):
            mark: Piece = ("= " if number in self.apart else "✓ ", "good")
            return [mark, (cell(name, 16), ""), (f" {self._decision(number)}", "dim")]
        mark = ("? ", "dim") if self.unclear(number) else ("! ", "warn")
        reason = self.fault(number) or reason
        return [mark, (cell(name, 16), ""), (f" {len(group.images)} {reason}", "dim")]

    def _decision(self, number: int) -> str:
        """Return what was decided."""
        if number in self.apart:
            return _("all stay")
        gone = sum(self._excluded(path) for path in self[number].images)
        return _("stays, {count} excluded").format(count=gone)

    def _excluded(self, path: str) -> bool:
        row = self.rows.get(path)
        return row is not None and row.excluded is not None

    def sides(self, number: int) -> tuple[Side, Side]:
        """Return the kept image of a group and another one, with what is said of them."""
        group, kept, other = self[number], self.kept(number), self.other(number)
        turns = group.turns or [0] * len(group.images)
        mine, its = (turns[group.images.index(path)] for path in (kept, other))
        others = [path for path in group.images if path != kept]
        second = _("{number} of {total}: {state}").format(
            number=others.index(other) + 1, total=len(others), state=self._state(number, other)
        )
        return (
            Side(self._title(number), self.rows.get(kept)),
            Side(second, self.rows.get(other), relative(mine, its)),
        )

    def _title(self, number: int) -> str:
        group = self[number]
        first = "?" if group.reason == UNCERTAIN else f"✓ {_('kept')}"
        if number in self.apart:
            first = f"= {_('all stay')}"
        elif not self.is_open(number):
            first = f"✓ {_('kept')}"
        elif fault := self.fault(number):
            text = _("{fault}: b keeps the right one, f compares again")
            first = f"! {text.format(fault=fault)}"
        if not self.is_open(number):
            return f"{first} · {_('decided; o asks again')}"
        return f"{first}{f' · {translated(group.why)}' if group.why else ''}"

    def _state(self, number: int, other: str) -> str:
        group = self[number]
        if self._excluded(other):
            return f"– {_('excluded')}"
        place = group.images.index(other)
        detail = group.details[place] if group.details else ""
        reason = _(_REASONS.get(group.reason, group.reason))
        return _(", ").join(filter(None, (reason, translated(detail))))


def stays_and_goes(keep: str, gone: Iterable[str]) -> list[Piece]:
    """Return a group as a line: the image that stays, and those that go."""
    return [
        ("✓ ", "good"),
        (_("{image} stays").format(image=_name(keep)), ""),
        ("  – ", "warn"),
        (", ".join(map(_name, gone)), "dim"),
    ]


def _name(path: str) -> str:
    return path.rpartition("/")[2]
