"""Duplicates, and pairs of which only a person can tell whether they are the same picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from prep import events
from prep.curation.duplicates import resolving
from prep.curation.duplicates.groups import REASONS, UNCERTAIN, VARIANT
from prep.curation.duplicates.neighbours import relative
from prep.curation.review import Answer, Decision
from prep.curation.review.present import Present
from prep.dataset.journal.changes import Change
from prep.ops import dupes
from prep.ops.dupes import DupesOptions
from prep.ops.review.words import listed, name

_SAME = {
    "exact": "has the same content",
    "near": "is nearly the same",
    "mirrored": "is the mirror image",
    "rotated": "is the same picture, turned",
}
_SURE, _UNCLEAR, _VARIANT = 1, 2, 9


@dataclass(frozen=True, kw_only=True)
class Duplicates(Decision):
    """Images that show the same picture, or may; the first one would stay.

    Attributes:
        reasons: Why each of the others is one of them.
        turns: Orientation of each image; indices into ``neighbours.TURNS``.
    """

    reasons: tuple[str, ...]
    turns: tuple[int, ...]

    def outcome(self, answer: Answer) -> tuple[str, ...]:
        """Which one is kept instead, only somebody who looks can say."""
        return (*super().outcome(answer), *(self.images if answer == "fix" else ()))

    def fault(self, present: Present) -> str:
        """The first one must be there, unchanged, and another one, too."""
        faults = [self._changed(present, path) for path in self.images]
        if faults[0]:
            return faults[0]
        return faults[1] if all(faults[1:]) else ""

    def _changed(self, present: Present, path: str) -> str:
        if fault := present.fault(path):
            return fault
        row = present.row(path)
        same = row is not None and row.content in self.basis
        return "" if same else f"{name(path)} has changed"

    def _kept(self, answer: Answer, shown: int) -> int:
        """Return the place of the image that stays."""
        return shown if answer == "fix" else 0

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Exclude all but the first one, or for ``fix`` all but the one shown."""
        keep = self._kept(answer, shown)
        others = [
            # What is unclear or a variant, a person has now seen to be a copy.
            (path, reason if reason in REASONS else UNCERTAIN, relative(self.turns[keep], turn))
            for path, reason, turn in zip(
                self.images, ("near", *self.reasons), self.turns, strict=True
            )
            if path != self.images[keep] and not self._changed(present, path)
        ]
        return resolving.chosen(present.index, [resolving.KeepChoice(self.images[keep], others)])


@dataclass(frozen=True, kw_only=True)
class UnclearPair(Duplicates):
    """Two images that may be one picture or two: nothing is proposed, a person has to look."""

    def _kept(self, answer: Answer, shown: int) -> int:
        """Return the place of the image that stays, whichever is shown."""
        del shown
        return 1 if answer == "instead" else 0


def find(present: Present) -> Iterator[events.Event | Decision]:
    """Compare all pictures; what was compared before is not compared again."""
    groups: dict[str, list[events.Group]] = {}
    unclear: list[events.Group] = []
    for event in dupes.run(present.index.project, DupesOptions(variants=True)):
        if isinstance(event, events.Group):
            if event.reason in REASONS:
                groups.setdefault(event.keep, []).append(event)
            else:
                unclear.append(event)
        elif not isinstance(event, events.Finished):
            yield event
    for found in groups.values():
        yield _sure(present, found)
    for group in unclear:
        yield from _pairs(present, group)


def _sure(present: Present, groups: list[events.Group]) -> Decision:
    """Return one decision for all copies of one image."""
    keep = groups[0].keep
    members = [(group.reason, member) for group in groups for member in _members(group)]
    paths = [path for _, (path, _, _) in members]
    reasons = [
        f"{name(path)} {_SAME[reason]}{_in(detail)}" for reason, (path, detail, _) in members
    ]
    why = next((group.why for group in groups if group.why), "")
    copies = "a copy" if len(paths) == 1 else f"{len(paths)} copies"
    images = (keep, *paths)
    return Duplicates(
        kind="duplicates",
        code="+".join(dict.fromkeys(reason for reason, _ in members)),
        images=images,
        basis=_contents(present, images),
        importance=_SURE,
        reasons=tuple(reason for reason, _ in members),
        turns=(0, *(turn for _, (_, _, turn) in members)),
        title=f"{name(keep)} has {copies}",
        reason=f"{listed(reasons, '; ')}. {f'{name(keep)} stays: {why}' if why else ''}".strip(),
        yes=f"keep {name(keep)}, exclude {listed([name(path) for path in paths])}",
        no="keep all of them",
        fix="keep the one on the right instead",
    )


def _pairs(present: Present, group: events.Group) -> Iterator[Decision]:
    """Yield a decision for each image that may be a copy, or is a variant."""
    variant = group.reason == VARIANT
    for path, detail, turn in _members(group):
        one, other = name(group.keep), name(path)
        same = f"{one} and {other} may be the same picture"
        note = "Both teach something if the difference is meant" if variant else "Please look"
        images = (group.keep, path)
        yield UnclearPair(
            kind="unclear",
            code=group.reason,
            images=images,
            basis=_contents(present, images),
            importance=_VARIANT if variant else _UNCLEAR,
            reasons=(group.reason,),
            turns=(0, turn),
            title=f"{one} and {other} differ in a detail" if variant else same,
            reason=f"{note}{_in(detail)}.",
            no="keep both",
            fix=f"exclude {name(path)}: it is a copy",
            instead=f"exclude {name(group.keep)} and keep {name(path)}",
        )


def _contents(present: Present, images: Sequence[str]) -> frozenset[str]:
    """Return hashes of the files: an answer is about these."""
    rows = [present.row(path) for path in images]
    return frozenset(row.content for row in rows if row is not None and row.content)


def _members(group: events.Group) -> list[tuple[str, str, int]]:
    """Return path, detail and turn of all but the one that is kept."""
    details = group.details or [""] * len(group.images)
    turns = group.turns or [0] * len(group.images)
    together = zip(group.images, details, turns, strict=True)
    return [(path, detail, turn) for path, detail, turn in together if path != group.keep]


def _in(detail: str) -> str:
    return f" ({detail})" if detail else ""
