"""Which of several versions of a picture to keep, and why.

The rules are applied in order; the first in which two versions differ decides. Their order
is set by the user. Sharpness is measured, and the measure of a JPEG is a little off that of the PNG
it was made from: versions whose sharpness is close are equal, and the next rule decides.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal, get_args

from prep.dataset.index import ImageRow
from prep.images import MAX_PIXELS
from prep.images.opening import open_image
from prep.project import Project

KeepRule = Literal["resolution", "sharpness", "format", "caption", "compression"]
RULES: tuple[KeepRule, ...] = get_args(KeepRule)

_SHARPER = 1.75
"""Factor of sharpness up to which versions are equally sharp. Encoding again changes it by up to
1.12, and a JPEG decoded at a fraction of its size seems up to 1.67 as sharp as the same PNG."""
_LOSSLESS = 2
_FORMATS = {"PNG": _LOSSLESS, "BMP": _LOSSLESS, "TIFF": _LOSSLESS, "WEBP": 1, "AVIF": 1}
"""Whether a format is lossless: 2 yes, 1 possibly, 0 (other formats) no."""
_HAND, _SOME, _NONE = 2, 1, 0
"""A caption written by a person, any caption, none."""
_QUALITY_STEP = 4
"""JPEG qualities are compared in steps of this, since programs differ slightly."""


@dataclass(frozen=True)
class KeepRanking:
    """Ranks versions of a picture by the rules.

    Attributes:
        project: Where the files are.
        sharpness: Sharpness by content; see ``prep.curation.duplicates.hashes``.
        hand_made: Images whose caption a person wrote or changed.
        order: The rules, the most important first.
    """

    project: Project
    sharpness: Mapping[str, float] = field(default_factory=dict)
    hand_made: Collection[str] = ()
    order: Sequence[KeepRule] = RULES

    def best_first(self, rows: Iterable[ImageRow]) -> list[ImageRow]:
        """Sort versions of one picture, best first; on a tie, shortest path first.

        Copies have longer names than what they are copies of: ``IMG_2041 (1).jpg``.
        """
        by_path = sorted(rows, key=lambda row: (len(row.path), row.path))
        merits = self._merits(by_path)
        return sorted(by_path, key=lambda row: merits[row.path], reverse=True)

    def roughly_best_first(self, rows: Iterable[ImageRow]) -> list[ImageRow]:
        """Sort different pictures so that of most versions of one the best comes first.

        What is equally sharp is known only among versions of one picture; here steps stand for it.
        """

        def merit(row: ImageRow) -> tuple[float, ...]:
            values = {rule: _MEASURES[rule](self, row) for rule in self.order}
            if "sharpness" in values:
                values["sharpness"] = round(math.log(max(values["sharpness"], 1e-6), _SHARPER))
            return tuple(values.values())

        by_path = sorted(rows, key=lambda row: (len(row.path), row.path))
        return sorted(by_path, key=merit, reverse=True)

    def why_kept(self, rows: Sequence[ImageRow]) -> str:
        """Return in what the first of at least two versions is better than the second.

        Args:
            rows: All versions, the kept one first, then the best of the others.
        """
        merits = self._merits(rows)
        best, second = merits[rows[0].path], merits[rows[1].path]
        for rule, mine, other in zip(self.order, best, second, strict=True):
            if mine != other:
                return _reason(rule, rows[0], rows[1], mine, other)
        return "they differ only in name: copies tend to have longer names"

    def _merits(self, rows: Sequence[ImageRow]) -> dict[str, tuple[float, ...]]:
        """Return by path what makes a version better, in the order of the rules; more is better.

        What is equally sharp depends on the versions that no rule before has told apart.
        """
        merits: dict[str, tuple[float, ...]] = {row.path: () for row in rows}
        for rule in self.order:
            tied = defaultdict[tuple[float, ...], list[ImageRow]](list)
            for row in rows:
                tied[merits[row.path]].append(row)
            for before, versions in tied.items():
                values = [_MEASURES[rule](self, row) for row in versions]
                steps = _classes(values) if rule == "sharpness" else values
                for row, value in zip(versions, steps, strict=True):
                    merits[row.path] = (*before, value)
        return merits

    def caption_rank(self, row: ImageRow) -> int:
        """Return 2 for a hand-made caption, 1 for any, 0 for none."""
        if row.caption is None:
            return _NONE
        return _HAND if row.path in self.hand_made else _SOME


def full_order(first: Sequence[KeepRule]) -> tuple[KeepRule, ...]:
    """Return all rules, those of ``first`` before the others.

    Example:
        >>> full_order(("caption",))
        ('caption', 'resolution', 'sharpness', 'format', 'compression')
    """
    named = tuple(dict.fromkeys(first))
    return (*named, *(rule for rule in RULES if rule not in named))


def _resolution(_ranking: KeepRanking, row: ImageRow) -> float:
    return row.width * row.height


def _sharpness(ranking: KeepRanking, row: ImageRow) -> float:
    return ranking.sharpness.get(row.content or "", 0.0)


def _classes(values: Sequence[float]) -> list[int]:
    """Return the number of the class of each sharpness, counted from the softest, 0.

    A class ends where the next value is more than ``_SHARPER`` times as high. So two values that
    are closer than that are always in one class, wherever they lie; fixed steps would part some.
    """
    ordered = sorted(set(values))
    classes = dict.fromkeys(ordered[:1], 0)
    for softer, sharper in pairwise(ordered):
        classes[sharper] = classes[softer] + (sharper > _SHARPER * softer)
    return [classes[value] for value in values]


def _format(_ranking: KeepRanking, row: ImageRow) -> float:
    return _FORMATS.get(row.format, 0)


def _caption(ranking: KeepRanking, row: ImageRow) -> float:
    return ranking.caption_rank(row)


def _compression(ranking: KeepRanking, row: ImageRow) -> float:
    """Return the quality of a JPEG file, 0 to 100 in steps; lossless files rank above.

    Other lossy files are ranked by bits per pixel, of which two count as quality 100.
    """
    if _FORMATS.get(row.format, 0) == _LOSSLESS:
        return 101
    if row.format == "JPEG":
        quality = jpeg_quality(ranking.project, row)
        if quality is not None:
            return quality // _QUALITY_STEP * _QUALITY_STEP
    return min(100.0, 400 * row.size / max(1, row.width * row.height))


_MEASURES: dict[KeepRule, Callable[[KeepRanking, ImageRow], float]] = {
    "resolution": _resolution,
    "sharpness": _sharpness,
    "format": _format,
    "caption": _caption,
    "compression": _compression,
}


def jpeg_quality(project: Project, row: ImageRow) -> int | None:
    """Estimate the quality of a JPEG file from its quantisation table.

    The Independent JPEG Group's library scales its standard table by ``200 - 2 q`` percent from
    quality 50 on, by ``5000 / q`` below; the mean of that table is 57.6.

    Returns:
        1 to 100, or ``None`` if the header does not tell.
    """
    if row.width * row.height > MAX_PIXELS:
        return None
    try:
        with open_image(project.root / row.path) as image:
            table: list[int] | None = getattr(image, "quantization", {}).get(0)
    except Exception:  # a broken header says nothing; decoding will report it
        return None
    if not table:
        return None
    scale = 100 * (sum(table) / len(table)) / 57.6
    quality = round((200 - scale) / 2 if scale <= 100 else 5000 / scale)
    return max(1, min(100, quality))


def _reason(rule: KeepRule, row: ImageRow, other: ImageRow, mine: float, theirs: float) -> str:
    if rule == "resolution":
        return f"the most pixels: {_size(row)}, the next has {_size(other)}"
    if rule == "sharpness":
        return "the sharpest, and otherwise no worse"
    if rule == "format":
        return f"{row.format} loses less than {other.format}, and it is otherwise no worse"
    if rule == "caption":
        what = "a caption written by hand" if mine == _HAND else "a caption"
        return f"the only one with {what}, and otherwise no worse"
    if row.format == other.format == "JPEG":
        return f"the least compressed: JPEG quality about {mine:.0f}, the next {theirs:.0f}"
    return "the least compressed, and otherwise no worse"


def _size(row: ImageRow) -> str:
    return f"{row.width}x{row.height}"
