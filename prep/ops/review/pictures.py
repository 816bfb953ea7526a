"""Quality of single images."""

from collections.abc import Iterator
from dataclasses import dataclass

from prep import events
from prep.curation.review import Answer, Decision
from prep.curation.review.present import Present
from prep.dataset.journal.changes import Change, exclusion
from prep.images.quality.kinds import KINDS
from prep.ops import crop, quality
from prep.ops.crop import CropOptions
from prep.ops.review.words import name

_QUALITY = 4

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

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Exclude it, or cut its borders off."""
        del shown
        row = present.row(self.images[0])
        if row is None:
            return []
        if answer == "fix":
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
        code="+".join(measures),
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
