"""Which heads training would cut off: what a trainer keeps of each image, held against them."""

from collections.abc import Sequence
from dataclasses import dataclass

from prep.dataset.index import ImageRow
from prep.images.crops import Box, kept, rects
from prep.images.crops.heads import CutHead, Head, cut_heads, upright
from prep.project import Project
from prep.training_set.trainers import Trainer, views


@dataclass(frozen=True)
class HeadCut:
    """A head of which a training image shows too little.

    Attributes:
        cut: The head, and how much of it is lost.
        crop: Number of the crop of its image that does it, from 1; 0 for the bucket of an image
            without crops.
        alone: It is the only crop.
    """

    cut: CutHead
    crop: int
    alone: bool

    @property
    def words(self) -> str:
        """A clause that says it."""
        where = f"crop {self.crop}"
        if not self.crop or self.alone:
            where = "the crop" if self.crop else "the bucket"
        if self.cut.left_out:
            return f"{where} leaves the head out"
        return f"{where} cuts {self.cut.lost:.0%} of a head off"


def head_cuts(
    project: Project,
    row: ImageRow,
    heads: Sequence[Head],
    boxes: Sequence[Box],
    trainer: Trainer = "shikomi",
) -> list[HeadCut]:
    """Return the heads of an image that are cut off.

    Args:
        project: The project.
        row: A readable image.
        heads: Its heads.
        boxes: Its crops. They are exported for all trainers, so that the trainer counts only
            without them.
        trainer: Who reads it.
    """
    if not heads:
        return []
    parts = kept_parts(project, row, boxes, trainer)
    return [
        HeadCut(cut, number if boxes else 0, len(boxes) == 1)
        for number, found in enumerate(cut_heads(heads, parts), 1)
        for cut in found
    ]


def kept_parts(
    project: Project, row: ImageRow, boxes: Sequence[Box], trainer: Trainer = "shikomi"
) -> list[Box]:
    """Return what a trainer keeps of an image, as fractions of the upright image; see above."""
    whole = (row.width, row.height)
    wanted: Trainer = "shikomi" if boxes else trainer
    found = []
    for view in views(project, row, rects(boxes, whole), [wanted]):
        if view.fit is None:
            continue
        # sd-scripts reads the pixels as they are stored.
        turned = row.orientation if wanted == "sd-scripts" else 1
        size = whole[::-1] if turned >= _SIDEWAYS else whole
        found.append(upright(kept(view.rect, view.fit).box(size), turned))
    return found


_SIDEWAYS = 5
"""EXIF orientations from here on are turned by a quarter."""
