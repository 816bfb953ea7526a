"""Uniform borders around a picture: letterboxes, frames of screenshots, scanned paper.

A border differs from a plain background by its inner edge: bars end along a straight line, on
which most pixels differ from the bar and which runs from one end of the picture to the other. The
outline of a drawn figure touches a line in only a few pixels, and a straight side of it, such as
where a bust ends, leaves background at one end at least.
"""

from typing import NamedTuple

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
_ENDS, _CORNERS = 0.06, 0.25
"""Share of that line, at either end, in which the first pixel that differs must lie: where it ends
at the edge of the image, and at another bar, which a dark corner of the picture may look like."""
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
    found = _Bars()
    for _ in range(2):  # without side bars, a bar above may appear
        top, bottom = _pair(pixels[:, found.left : width - found.right])
        found = found._replace(top=top, bottom=bottom)
        left, right = _pair(pixels[top : height - bottom].swapaxes(0, 1))
        found = found._replace(left=left, right=right)
    # Without a bar, the line at which its neighbours end is longer.
    while found != (found := _ending_at_lines(pixels, found)):
        pass
    kept = Rect(found.left, found.top, width - found.right, height - found.bottom)
    nothing = kept.size == (width, height) or min(kept.size) < 1
    return None if nothing else kept


class _Bars(NamedTuple):
    """How many lines at each side are a bar."""

    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0


def _ending_at_lines(pixels: Pixels, found: _Bars) -> _Bars:
    """Return those bars that end at a line from one end of the picture to the other."""
    height, width = pixels.shape[:2]
    across = pixels[:, found.left : width - found.right]
    down = pixels[found.top : height - found.bottom].swapaxes(0, 1)
    upright, level = (found.top, found.bottom), (found.left, found.right)
    return _Bars(
        found.left if _ends_at_line(down, found.left, upright) else 0,
        found.top if _ends_at_line(across, found.top, level) else 0,
        found.right if _ends_at_line(down[::-1], found.right, upright) else 0,
        found.bottom if _ends_at_line(across[::-1], found.bottom, level) else 0,
    )


def _ends_at_line(lines: Pixels, count: int, beside: tuple[int, int]) -> bool:
    """Return whether so many lines at the beginning end at a line from end to end.

    Args:
        lines: Of the picture between the bars at their ends.
        count: Lines that may be a bar.
        beside: Widths of the bars at their ends.
    """
    if not count:
        return False
    depth = _depth(lines)
    edge = lines[max(0, count - depth) : count + depth]
    places = np.flatnonzero(_differs(edge, np.median(lines[0], axis=0)).any(axis=0))
    last = lines.shape[1] - 1
    first_end, last_end = (max(1.0, (_CORNERS if bar else _ENDS) * last) for bar in beside)
    return len(places) > 0 and places[0] <= first_end and last - places[-1] <= last_end


def _pair(lines: Pixels) -> tuple[int, int]:
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
    for number, line in enumerate(lines[count : count + _depth(lines)], count):
        if np.mean(_differs(line, colour)) >= _STRAIGHT:
            return min(number + _BLEED, len(lines) - 1)
    return 0


def _depth(lines: Pixels) -> int:
    """Return the maximum width of a soft edge."""
    return min(_EDGE, max(2, len(lines) // _SMALL_EDGE))


def _uniform(lines: Pixels) -> int:
    """Return how many lines at the beginning are of one colour."""
    colour = np.median(lines[0], axis=0)
    for number, line in enumerate(lines):
        if np.count_nonzero(_differs(line, colour)) > _STRAY * len(line):
            return number
    return len(lines)


def _differs(pixels: Pixels, colour: NDArray[np.float64]) -> NDArray[np.bool_]:
    difference: NDArray[np.float64] = np.abs(pixels.astype(np.float64) - colour)
    differs: NDArray[np.bool_] = difference.max(axis=-1) > _NOISE
    return differs
