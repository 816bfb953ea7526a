"""Which of several versions of one picture to keep, and why, in words."""

import math
from collections.abc import Iterable, Mapping, Sequence

from prep.hashes import Look
from prep.index import ImageRow

_SHARPER = 1.5
"""Sharpness counts in steps of this factor: less is the noise of a re-encoding."""
_LOSSLESS = 2
_FORMATS = {"PNG": _LOSSLESS, "BMP": _LOSSLESS, "TIFF": _LOSSLESS, "WEBP": 1, "AVIF": 1}
"""What a format keeps of a picture: 2 all of it, 1 perhaps, 0 (the others) not."""

Merit = tuple[int, int, int, bool, int]


def merit(row: ImageRow, looks: Mapping[str, Look]) -> Merit:
    """Return what makes a version better; the first difference decides.

    Returns:
        Pixels, step of sharpness, what the format keeps, has a caption, and bytes: fewer of them
        cost a picture something, unless the format loses nothing.
    """
    seen = looks.get(row.content or "")
    sharp = round(math.log(max(seen.sharpness, 1e-6), _SHARPER)) if seen else 0
    kept = _FORMATS.get(row.format, 0)
    size = 0 if kept == _LOSSLESS else row.size
    return row.width * row.height, sharp, kept, row.caption is not None, size


def best_first(rows: Iterable[ImageRow], looks: Mapping[str, Look]) -> list[ImageRow]:
    """Sort versions, the best first; of equals the one with the shortest path.

    Copies have longer names than what they are copies of: ``IMG_2041 (1).jpg``.
    """
    by_path = sorted(rows, key=lambda row: (len(row.path), row.path))
    return sorted(by_path, key=lambda row: merit(row, looks), reverse=True)


def why_kept(rows: Sequence[ImageRow], looks: Mapping[str, Look]) -> str:
    """Say in what the first of at least two versions, sorted by ``best_first``, is better."""
    best, second = merit(rows[0], looks), merit(rows[1], looks)
    reasons = (
        f"the most pixels: {_size(rows[0])}, the next has {_size(rows[1])}",
        "the sharpest of the largest",
        f"{rows[0].format} keeps more than {rows[1].format}, at the same size and sharpness",
        "the only one with a caption, and no worse otherwise",
        "the largest file, and no worse otherwise",
    )
    for mine, other, reason in zip(best, second, reasons, strict=True):
        if mine != other:
            return reason
    return "nothing but the name tells them apart: copies tend to have the longer one"


def _size(row: ImageRow) -> str:
    return f"{row.width}x{row.height}"
