"""What crops and buckets cut off: heads, where the project has a detector, and much of an image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prep import events
from prep.curation.review import Answer, Decision
from prep.curation.review.present import Present
from prep.dataset.index import ImageRow
from prep.dataset.journal.changes import Change
from prep.images.buckets import Fit
from prep.images.crops.heads import Head
from prep.ops import crop
from prep.ops.crop import CropOptions
from prep.ops.review.words import name
from prep.tagging.heads import Heads, look
from prep.training_set.bucket_groups import MUCH
from prep.training_set.heads import HeadCut, head_cuts

_HEAD, _MUCH_CUT = 1, 7

Part = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class HeadLoss(Decision):
    """An image of which a crop or the bucket cuts a head off.

    Attributes:
        heads: All heads that are known in it.
    """

    heads: tuple[Head, ...]

    def fault(self, present: Present) -> str:
        """It must be in use, and still lose as much."""
        path = self.images[0]
        row = present.row(path)
        if (fault := present.fault(path)) or row is None:
            return fault
        heads = Heads(present.index).of([row]).get(path, ())
        now = _head_basis(row, _cuts(present, row, heads))
        return "" if self.basis <= now else f"{name(path)} is cut differently by now"

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Place the crop around the subject, with its heads."""
        del answer, shown
        return _around_subject(present, self.images[0])


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

    def changes(self, present: Present, answer: Answer, shown: int) -> list[Change]:
        """Place the crop around the subject."""
        del answer, shown
        return _around_subject(present, self.images[0])


def find_cuts(present: Present) -> Iterator[events.Event | Decision]:
    """Look for heads where that was not done before, and fit all images into their buckets."""
    yield from look(present.index)
    index = present.index
    known: Mapping[str, Sequence[Head]] = Heads(index).of(index.each_usable())
    for row in index.each_usable():
        heads = known.get(row.path, ())
        if cuts := _cuts(present, row, heads):
            yield _head_loss(present, row, heads, cuts)
        elif parts := _cut_parts(present, row):
            yield _much_cut(present, row, parts)


def _head_loss(
    present: Present, row: ImageRow, heads: Sequence[Head], cuts: Sequence[HeadCut]
) -> Decision:
    cropped = row.path in present.boxes
    words = "; ".join(dict.fromkeys(cut.words for cut in cuts))
    return HeadLoss(
        kind="cut",
        subject="heads",
        code="heads",
        images=(row.path,),
        basis=_head_basis(row, cuts),
        importance=_HEAD,
        title=f"{name(row.path)}: {words}",
        reason="A character is recognised by its head: crops through heads cost a LoRA more than"
        " any other fault.",
        no="it is meant to be so",
        fix="open it in Crop & buckets" if cropped else "crop it around its subject",
        stage="crop" if cropped else "",
        heads=tuple(heads),
    )


def _much_cut(present: Present, row: ImageRow, parts: Sequence[tuple[Part, Fit]]) -> Decision:
    worst = max((fit for _, fit in parts), key=lambda fit: fit.cut)
    sides = "top and bottom" if worst.resized[1] > worst.bucket[1] else "left and right"
    bucket = f"{worst.bucket[0]}x{worst.bucket[1]}"
    cropped = row.path in present.boxes
    return Cut(
        kind="cut",
        images=(row.path,),
        basis=frozenset(_basis(part, fit) for part, fit in parts),
        importance=_MUCH_CUT,
        title=f"{name(row.path)} loses {worst.cut:.0%}",
        reason=f"To fill its bucket of {bucket}, the trainer cuts off {sides}, the same on both"
        " sides: look at what is lost.",
        no="cut it in the middle",
        fix="open it in Crop & buckets" if cropped else "crop it around its subject",
        stage="crop" if cropped else "",
    )


def _around_subject(present: Present, path: str) -> list[Change]:
    row = present.row(path)
    return [] if row is None else crop.proposed(present.index, row, CropOptions(subject=True))


def _cuts(present: Present, row: ImageRow, heads: Sequence[Head]) -> list[HeadCut]:
    return head_cuts(present.index.project, row, heads, present.boxes.get(row.path, ()))


def _head_basis(row: ImageRow, cuts: Sequence[HeadCut]) -> frozenset[str]:
    return frozenset(f"{row.content} {cut.crop} {cut.cut.lost:.2f}" for cut in cuts)


def _cut_parts(present: Present, row: ImageRow) -> list[tuple[Part, Fit]]:
    """Return the parts of an image that lose much, with their fits."""
    fit = present.index.project.buckets.fit
    pairs = [(part.corners, fit(part.size)) for part in present.parts(row)]
    return [(corners, fitted) for corners, fitted in pairs if fitted.cut > MUCH]


def _basis(part: Part, fit: Fit) -> str:
    return f"{part} {fit.bucket}"
