"""How each trainer reads an image file: the part it uses, its bucket, and what is lost.

- ``shikomi``: the exported training set, which our trainer and sd-scripts read alike.
- ``sd-scripts``: the original files (revision 48d368f, ``library/train_util.py``). Its buckets
  are ours, but it ignores EXIF rotation, and drops transparency, so that the pixels hidden below
  it, mostly black, are trained on. No crops.
- ``onetrainer``: the original files (its data loaders, and mgds ``AspectBucketing.py``). It
  applies EXIF rotation, also drops transparency, has its own buckets, scales with a bilinear
  filter, and may move its crop at random (crop jitter); the centre is shown here.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal

from prep.dataset.index import ImageRow
from prep.images.buckets import Buckets, Fit, Size, enlargement
from prep.images.crops import Rect
from prep.project import Project

Loss = Literal["unread", "exif", "alpha", "crops"]
Trainer = Literal["shikomi", "sd-scripts", "onetrainer"]
_SAYS: dict[Loss, str] = {
    "unread": "does not read files of this type",
    "exif": "ignores EXIF rotation: trains on it as stored",
    "alpha": "drops transparency: trains on the hidden pixels, mostly black",
    "crops": "does not support crops: export first",
}
TRAINERS: tuple[Trainer, ...] = ("shikomi", "sd-scripts", "onetrainer")

_KOHYA_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".avif")
_ONETRAINER_SUFFIXES = frozenset({".bmp", ".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp"})
_SIDEWAYS = frozenset({5, 6, 7, 8})
_ASPECTS = (1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0)
"""Aspect ratios of OneTrainer's buckets, long side by short side."""


@dataclass(frozen=True)
class TrainerView:
    """One training image as read by a trainer.

    Attributes:
        trainer: The trainer.
        rect: The part of the picture that it uses, in pixels of the picture as it reads it.
        fit: Its fit; ``None`` if it does not read the file.
        losses: What it omits or gets wrong.
        flattened: Transparency is composed on white.
    """

    trainer: Trainer
    rect: Rect
    fit: Fit | None
    losses: tuple[Loss, ...] = ()
    flattened: bool = False

    @property
    def notes(self) -> tuple[str, ...]:
        """Messages about what a user may not expect."""
        said = [_SAYS[loss] for loss in self.losses]
        if self.flattened:
            said.append("transparency is composed on white")
        if self.fit is not None and (times := enlargement(self.fit.scale)):
            said.append(f"enlarged {times}")
        return tuple(said)


@dataclass(frozen=True)
class OneTrainerBuckets:
    """The buckets of OneTrainer for one resolution.

    Attributes:
        resolution: Side of the square whose area all buckets have approximately.
        step: Sides are rounded to multiples of it: 8 for SD 1.5, 64 for SDXL.

    Example:
        >>> OneTrainerBuckets(512, 8).fit((1000, 500)).bucket
        (728, 360)
    """

    resolution: int
    step: int = 64

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """All buckets, sorted. OneTrainer keeps them in a set, so ties are random there."""
        found = set()
        for aspect in _ASPECTS:
            short = self._rounded(self.resolution / math.sqrt(aspect))
            long = self._rounded(self.resolution * math.sqrt(aspect))
            found |= {(short, long), (long, short)}
        return tuple(sorted(found))

    def fit(self, size: Size) -> Fit:
        """Place an image of ``size`` (width, height); it is always scaled to its bucket."""
        width, height = size
        # Compared by height / width there: the order of near candidates differs from sd-scripts.
        aspect = height / width
        bucket = min(self.sizes, key=lambda b: abs(b[1] / b[0] - aspect))
        if aspect > bucket[1] / bucket[0]:
            scale = bucket[0] / width
            resized = (bucket[0], round(height * scale))
        else:
            scale = bucket[1] / height
            resized = (round(width * scale), bucket[1])
        left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
        return Fit(bucket, resized, left, top, scale)

    def _rounded(self, length: float) -> int:
        return max(1, round(length / self.step)) * self.step


def onetrainer_buckets(project: Project) -> OneTrainerBuckets:
    """Return OneTrainer's buckets for the family and resolution of a project."""
    section = project.settings.project
    return OneTrainerBuckets(section.resolution, 64 if section.family == "sdxl" else 8)


def views(
    project: Project, row: ImageRow, rects: Sequence[Rect], trainers: Iterable[Trainer] = TRAINERS
) -> list[TrainerView]:
    """Return how the trainers read a readable image.

    Args:
        project: The project.
        row: The image.
        rects: Its training images, from ``prep.images.crops.rects``.
        trainers: The trainers to include.
    """
    found: list[TrainerView] = []
    for trainer in trainers:
        if trainer == "shikomi":
            found += [
                TrainerView(trainer, rect, project.buckets.fit(rect.size), flattened=row.alpha)
                for rect in rects
            ]
        elif trainer == "sd-scripts":
            found.append(_kohya(project.buckets, row, rects))
        else:
            found.append(_onetrainer(onetrainer_buckets(project), row, rects))
    return found


def _kohya(buckets: Buckets, row: ImageRow, rects: Sequence[Rect]) -> TrainerView:
    size = (row.width, row.height)
    if row.orientation in _SIDEWAYS:
        size = size[::-1]
    rect = Rect(0, 0, *size)
    # All lower or all upper case, since file names are case-sensitive on Linux.
    known = (*_KOHYA_SUFFIXES, *(suffix.upper() for suffix in _KOHYA_SUFFIXES))
    if PurePosixPath(row.path).suffix not in known:
        return TrainerView("sd-scripts", rect, None, ("unread",))
    exif: tuple[Loss, ...] = ("exif",) if row.orientation != 1 else ()
    return TrainerView("sd-scripts", rect, buckets.fit(size), exif + _losses(row, rects))


def _onetrainer(buckets: OneTrainerBuckets, row: ImageRow, rects: Sequence[Rect]) -> TrainerView:
    rect = Rect(0, 0, row.width, row.height)
    if PurePosixPath(row.path).suffix.lower() not in _ONETRAINER_SUFFIXES:
        return TrainerView("onetrainer", rect, None, ("unread",))
    return TrainerView("onetrainer", rect, buckets.fit(rect.size), _losses(row, rects))


def _losses(row: ImageRow, rects: Sequence[Rect]) -> tuple[Loss, ...]:
    """Return what is lost when a trainer reads the original file."""
    losses: list[Loss] = ["alpha"] if row.alpha else []
    if len(rects) > 1 or rects[0].size != (row.width, row.height):
        losses.append("crops")
    return tuple(losses)
