"""Quality of single images, and what the bucket cuts off them."""

from collections.abc import Iterator
from dataclasses import dataclass

from prep import events
from prep.curation.review import Decision
from prep.curation.review.present import Present
from prep.dataset.index import ImageRow
from prep.dataset.journal.changes import Change, exclusion
from prep.images.buckets import Fit
from prep.images.quality.kinds import KINDS
from prep.ops import crop, quality
from prep.ops.crop import CropOptions
from prep.ops.review.words import name
from prep.training_set.bucket_groups import MUCH

_QUALITY, _CUT = 4, 7

_ORDER = list[str](KINDS)
_CROPPED_AWAY = {"borders", "text", "alpha"}
"""Findings that a crop can remove."""

Part = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Quality(Decision):
    """The quality findings of one image.

    Attributes:
        parts: Where they were found: [left, top, right, bottom] of training images.
        measures: What was found.
    """

    parts: frozenset[Part]
    measures: tuple[str, ...]

    def fault(self, present: Present) -> str:
        """The image must be in use, and cropped as it was when it was measured."""
        path = self.images[0]
        row = present.row(path)
        if (fault := present.fault(path)) or row is None:
            return fault
        now = {part.corners for part in present.parts(row)}
        return "" if self.parts <= now else f"{name(path)} was cropped in the meantime"

    def changes(self, present: Present, shown: int, *, fix: bool) -> list[Change]:
        """Exclude it, or cut its borders off."""
        del shown
        row = present.row(self.images[0])
        if row is None:
            return []
        if fix:
            return crop.proposed(present.index, row, CropOptions(borders=True))
        return [exclusion(row.path, None, f"quality: {', '.join(self.measures)}")]


def find_quality(present: Present) -> Iterator[events.Event | Decision]:
    """Measure what was not measured before."""
    found: dict[str, list[events.Quality]] = {}
    for event in quality.run(present.index.project):
        if isinstance(event, events.Quality):
            found.setdefault(event.path, []).append(event)
        elif not isinstance(event, events.Finished):
            yield event
    for path, events_of in found.items():
        yield from _quality(Present(present.index), path, events_of)


def _quality(present: Present, path: str, found: list[events.Quality]) -> Iterator[Decision]:
    row = present.row(path)
    if row is None:
        return
    parts = frozenset(tuple(event.part) for event in found)
    all_parts = present.parts(row)
    found = sorted(found, key=lambda event: _ORDER.index(event.measure))
    measures = tuple(dict.fromkeys(event.measure for event in found))
    whole = len(all_parts) == 1 and path not in present.boxes
    every = parts >= {part.corners for part in all_parts}
    fix, stage = ("open it in Crop & buckets", "crop")
    if "borders" in measures and whole:
        fix, stage = "cut the borders off", ""
    elif every and not _CROPPED_AWAY & set(measures):
        fix, stage = "open it in Images", "images"
    reasons = dict.fromkeys(event.explanation for event in found)
    yield Quality(
        kind="quality",
        images=(path,),
        basis=frozenset(f"{row.content} {measure}" for measure in measures),
        importance=_QUALITY,
        title=f"{name(path)}: {', '.join(measures)}",
        reason=_sentences(reasons),
        # While one of its crops is good, the image as a whole is not bad.
        yes="exclude the image" if every else "",
        no="keep it",
        fix=fix,
        stage=stage,
        parts=parts,
        measures=measures,
    )


def _sentences(reasons: dict[str, None]) -> str:
    return " ".join(f"{reason[0].upper()}{reason[1:]}." for reason in reasons if reason)


@dataclass(frozen=True, kw_only=True)
class Cut(Decision):
    """An image of which the bucket cuts much off."""

    def fault(self, present: Present) -> str:
        """It must be in use, and still lose as much."""
        path = self.images[0]
        row = present.row(path)
        if (fault := present.fault(path)) or row is None:
            return fault
        now = {_basis(part, fit) for part, fit in _cut_parts(present, row)}
        return "" if self.basis <= now else f"{name(path)} is cut differently by now"

    def changes(self, present: Present, shown: int, *, fix: bool) -> list[Change]:
        """Place the crop around the subject."""
        del shown, fix
        row = present.row(self.images[0])
        return [] if row is None else crop.proposed(present.index, row, CropOptions(subject=True))


def find_cuts(present: Present) -> Iterator[events.Event | Decision]:
    """Fit all images into their buckets."""
    for row in present.index.each_usable():
        parts = _cut_parts(present, row)
        if not parts:
            continue
        worst = max((fit for _, fit in parts), key=lambda fit: fit.cut)
        sides = "top and bottom" if worst.resized[1] > worst.bucket[1] else "left and right"
        bucket = f"{worst.bucket[0]}x{worst.bucket[1]}"
        cropped = row.path in present.boxes
        yield Cut(
            kind="cut",
            images=(row.path,),
            basis=frozenset(_basis(part, fit) for part, fit in parts),
            importance=_CUT,
            title=f"{name(row.path)} loses {worst.cut:.0%}",
            reason=f"To fill its bucket of {bucket}, the trainer cuts off {sides}, the same on both"
            " sides: look at what is lost.",
            no="cut it in the middle",
            fix="open it in Crop & buckets" if cropped else "crop it around its subject",
            stage="crop" if cropped else "",
        )


def _cut_parts(present: Present, row: ImageRow) -> list[tuple[Part, Fit]]:
    """Return the parts of an image that lose much, with their fits."""
    fit = present.index.project.buckets.fit
    pairs = [(part.corners, fit(part.size)) for part in present.parts(row)]
    return [(corners, fitted) for corners, fitted in pairs if fitted.cut > MUCH]


def _basis(part: Part, fit: Fit) -> str:
    return f"{part} {fit.bucket}"
