"""Uniform borders around a picture: letterboxes, frames of screenshots, scanned paper.

A border differs from a plain background by its inner edge: bars end along a straight line, on
which most pixels differ from the bar, while the outline of a drawn figure touches a line in only
a few pixels.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.images.crops import Rect
from prep.images.pixels import Pixels

_NOISE = 12
"""Levels by which pixels of one bar may differ, because of compression."""
_STRAY = 0.005
"""Share of a line that may differ more: logos and specks of dust."""
_STRAIGHT = 0.6
"""Share of the first line inside a border that must differ from it."""
_EDGE = 12
"""Maximum width of a soft edge, pixels (8 for the chroma of a JPEG)."""
_SMALL_EDGE = 30
"""In small images at most a side divided by this, so that figures are not taken for lines."""
_BLEED = 2
"""Pixels of a soft edge that are cut off with the border."""
_LEAST = 4
"""Pixels below which a border is not worth cropping."""


def inner(image: Image.Image) -> Rect | None:
    """Return the part inside uniform borders; ``None`` if there are none.

    Args:
        image: RGB.
    """
    pixels = np.asarray(image)
    height, width = pixels.shape[:2]
    left = top = right = bottom = 0
    for _ in range(2):  # without side bars, a bar above may appear
        top, bottom = _bars(pixels[:, left : width - right])
        left, right = _bars(pixels[top : height - bottom].swapaxes(0, 1))
    found = Rect(left, top, width - right, height - bottom)
    nothing = found.size == (width, height) or min(found.size) < 1
    return None if nothing else found


def _bars(lines: Pixels) -> tuple[int, int]:
    """Return the widths of the bars before and behind the picture, 0 for none."""
    first, last = _bar(lines), _bar(lines[::-1])
    return (first, last) if first + last < len(lines) else (0, 0)


def _bar(lines: Pixels) -> int:
    """Return how many lines at the beginning are a bar."""
    count = _uniform(lines)
    if not _LEAST <= count < len(lines):
        return 0
    # The bar must end in a step: a sky that grows lighter line by line does not.
    colour = np.median(lines[count - 1], axis=0)
    depth = min(_EDGE, max(2, len(lines) // _SMALL_EDGE))
    for number, line in enumerate(lines[count : count + depth], count):
        if np.mean(_differs(line, colour)) >= _STRAIGHT:
            return min(number + _BLEED, len(lines) - 1)
    return 0


def _uniform(lines: Pixels) -> int:
    """Return how many lines at the beginning are of one colour."""
    colour = np.median(lines[0], axis=0)
    for number, line in enumerate(lines):
        if np.count_nonzero(_differs(line, colour)) > _STRAY * len(line):
            return number
    return len(lines)


def _differs(line: Pixels, colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    difference: NDArray[np.float64] = np.abs(line.astype(np.float64) - colour)
    differs: NDArray[np.bool_] = difference.max(axis=-1) > _NOISE
    return differs
