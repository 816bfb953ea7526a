"""Text in a picture: lines of components that a small linear model takes for writing.

No network: connected components of ink are joined into lines (``letters.py``, ``lines.py``), and
twelve properties of each line are weighed. Windows, books and fences also stand in lines; what
tells writing from them is above all even ink on even paper, a strong contrast, strokes that are
thin for their height, and shapes that differ. A line that is sure to be writing also vouches for
less sure ones beside it.
"""

from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.images.quality.letters import GreyBytes, Letters, letters
from prep.images.quality.lines import FEATURES, Lines, lines

_MODEL = MappingProxyType(
    {
        "stroke": (-4.61, -2.58, -1.0),
        "widths_differ": (-3.27, 0.02, 0.69),
        "width": (3.41, -0.9, 0.41),
        "fill": (5.36, 0.23, 0.71),
        "inks_differ": (-6.63, 0.0, 0.3),
        "ink_uneven": (-7.53, 0.0, 0.46),
        "paper_uneven": (-9.2, 0.0, 1.35),
        "contrast": (6.21, 3.82, 4.57),
        "crisp": (-6.62, 1.0, 1.62),
        "shapes_differ": (3.69, -2.35, -0.93),
        "twins": (-4.4, 0.0, 0.29),
        "slope": (-12.63, 0.0, 0.18),
    }
)
"""Logistic regression: the logarithm of the odds that a line is writing is the sum of each feature
times its weight, plus ``_BIAS``. A line with any feature below or above the other two numbers,
which hold 99 % of the writing, is none. Fitted once to the lines of clean pictures, of writing put
into them, and of flat drawings; sources and figures are in ``benchmarks/text.txt``."""
_BIAS = -16.89
_WEIGHTS, _LEAST, _MOST = np.array([_MODEL[name] for name in FEATURES]).T
_SURE, _LIKELY = 0.75, -1.0
"""Logarithm of the odds from which a line counts: by itself; beside one that counts."""
_REACH, _ALIKE = 1.5, 1.7
"""Distance of lines beside each other, in heights of a letter; most that their letters' heights
differ by, as a factor."""
_LOWEST = 5
"""Minimum height of a letter, pixels."""
_LARGE = 600
"""Shorter side, pixels, from which half the picture is searched, too: strokes of large letters are
as wide as the neighbourhood that ink is compared with."""
_PAGE = 0.04
"""Share of small text from which it counts; at most 0.012 of clean pictures looks like it."""
_EVEN, _PAPER = 10, 0.5
"""Levels by which paper differs from its own level, and minimum share of it in a page."""
_STEP, _INKED, _SQUARE = 30, 0.1, np.ones((3, 3), np.uint8)
"""Levels between neighbours where there is ink, and minimum share of a page that has such."""


def text(grey: GreyBytes) -> float:
    """Return the share of the picture, 0 to 1, that lines of text cover.

    Args:
        grey: Shape (height, width), 0 to 255.
    """
    covered = np.zeros(grey.shape, np.uint8)
    for found in candidates(grey):
        for left, top, right, bottom in found.boxes[_writing(found)]:
            covered[top:bottom, left:right] = 1
    return float(np.count_nonzero(covered)) / grey.size


def small_text(grey: GreyBytes) -> float:
    """Return the share that lines of small text cover, in a picture at more than its training size.

    Letters that are too small at the training size are no letters there, but still a texture that
    is learned. Only pages full of them count: what else stands in lines is seen at that size, too.

    Args:
        grey: Shape (height, width), 0 to 255.
    """
    share = text(grey)
    return share if share >= _PAGE else 0.0


def may_be_page(grey: GreyBytes) -> bool:
    """Return whether most of a picture may be paper with ink on it; it takes no time to ask."""
    counts = np.bincount(grey.ravel(), minlength=256)
    near = np.convolve(counts, np.ones(2 * _EVEN + 1, np.intp), "same")
    ink = cv2.subtract(cv2.dilate(grey, _SQUARE), cv2.erode(grey, _SQUARE)) >= _STEP
    return bool(near.max() >= _PAPER * grey.size and ink.mean() >= _INKED)


def candidates(grey: GreyBytes) -> tuple[Lines, Lines]:
    """Return whatever stands in lines, across and down: in dark ink and in light ink."""
    dark, light = (_both_ways(found) for found in letters(grey, _LOWEST))
    if min(grey.shape) >= _LARGE:
        half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        large_dark, large_light = (
            _both_ways(found).enlarged(2) for found in letters(half, 2 * _LOWEST)
        )
        return dark.joined(large_dark), light.joined(large_light)
    return dark, light


def _both_ways(found: Letters) -> Lines:
    return lines(found).joined(lines(found.turned()).turned())


def _writing(found: Lines) -> NDArray[np.bool_]:
    """Return which lines count: those that are sure, and likely ones beside one that counts."""
    odds = found.features @ _WEIGHTS + _BIAS
    usual = ((found.features >= _LEAST) & (found.features <= _MOST)).all(axis=1)
    counts: NDArray[np.bool_]
    counts, likely = usual & (odds > _SURE), usual & (odds > _LIKELY)
    beside = found.beside(_REACH, _ALIKE)
    while True:
        more = np.asarray(counts | (likely & beside[:, counts].any(axis=1)))
        if np.array_equal(more, counts):
            return counts
        counts = more
