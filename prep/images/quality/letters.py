"""Components of ink that may be letters, each with what tells writing from drawing.

Ink is what is darker, or lighter, than its neighbourhood. The width of strokes matters as in
Epshtein, Ofek and Wexler, "Detecting text in natural scenes with stroke width transform" (CVPR
2010), but is taken from the distance transform.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

GreyBytes = NDArray[np.uint8]
Numbers = NDArray[np.float64]

_WINDOW = 25
"""Side of the neighbourhood that ink is compared with, pixels; odd."""
_INK = 18
"""Levels by which ink differs from its neighbourhood."""
_HIGHEST = 0.2
"""Maximum height of a letter, as a share of the shorter side."""
_RIM = 1.5
"""Pixels of ink that are less deep than this are its rim."""
_SQUARE = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Letters:
    """Components of one polarity that have the size of letters; fields have shape (n,).

    Attributes:
        left: First column.
        top: First row.
        width: Columns.
        height: Rows.
        area: Pixels of ink.
        stroke: Width of its strokes, pixels.
        ink: Mean level of the ink, 0 to 255.
        ink_spread: Standard deviation of the levels of the ink.
        paper: Mean level around it.
        paper_spread: Standard deviation of the levels around it.
        step: Mean difference of levels across its rim, over three pixels.
        zones: Shape (n, 9); ink in each third of its width and height, as a share of that ninth.
    """

    left: Numbers
    top: Numbers
    width: Numbers
    height: Numbers
    area: Numbers
    stroke: Numbers
    ink: Numbers
    ink_spread: Numbers
    paper: Numbers
    paper_spread: Numbers
    step: Numbers
    zones: Numbers

    def __len__(self) -> int:
        return len(self.left)

    def turned(self) -> "Letters":
        """Return the same with x and y swapped, so that columns become lines."""
        zones = self.zones.reshape(-1, 3, 3).transpose(0, 2, 1).reshape(-1, 9)
        return replace(
            self, left=self.top, top=self.left, width=self.height, height=self.width, zones=zones
        )


def letters(grey: GreyBytes, lowest: int) -> tuple[Letters, Letters]:
    """Return the dark and the light components that may be letters.

    Args:
        grey: Shape (height, width), 0 to 255.
        lowest: Minimum height of a letter, pixels.
    """
    around = cv2.blur(grey, (_WINDOW, _WINDOW))
    low, high = cv2.erode(grey, _SQUARE), cv2.dilate(grey, _SQUARE)
    step = cv2.subtract(high, low)
    return (
        _components(cv2.subtract(around, grey), grey, high, step, lowest),
        _components(cv2.subtract(grey, around), grey, low, step, lowest),
    )


def _components(
    contrast: GreyBytes, grey: GreyBytes, paper: GreyBytes, step: GreyBytes, lowest: int
) -> Letters:
    _, ink = cv2.threshold(contrast, _INK, 1, cv2.THRESH_BINARY)
    count, labels, facts, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    kept = _sized(facts, lowest, _HIGHEST * min(grey.shape))
    number = len(kept)
    renamed = np.zeros(count, np.int32)
    renamed[kept] = np.arange(1, number + 1)
    left, top, width, height, area = facts[kept].T.astype(np.int64)
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    owners = renamed[labels].ravel()
    where = np.flatnonzero(owners)
    owner = owners[where].astype(np.int64) - 1
    deep = depth.ravel()[where]

    # Along the middle of a stroke, the depth is half its width.
    middle = deep >= cv2.dilate(depth, _SQUARE).ravel()[where]
    stroke = 2.0 * _spread(deep[middle], owner[middle], number)[0]
    level, level_spread = _spread(grey.ravel()[where], owner, number)
    rim = deep < _RIM
    edge, rims = where[rim], owner[rim]
    outside, outside_spread = _spread(paper.ravel()[edge], rims, number)
    steps, _ = _spread(step.ravel()[edge], rims, number)

    y, x = np.divmod(where, grey.shape[1])
    ninth = (y - top[owner]) * 3 // height[owner] * 3 + (x - left[owner]) * 3 // width[owner]
    zones = np.bincount(owner * 9 + ninth, minlength=9 * number).reshape(number, 9)
    shares = zones * 9 / (width * height)[:, None]
    return Letters(
        left=left.astype(np.float64),
        top=top.astype(np.float64),
        width=width.astype(np.float64),
        height=height.astype(np.float64),
        area=area.astype(np.float64),
        stroke=stroke,
        ink=level,
        ink_spread=level_spread,
        paper=outside,
        paper_spread=outside_spread,
        step=steps,
        zones=shares,
    )


def _sized(facts: NDArray[np.int32], lowest: int, highest: float) -> NDArray[np.int64]:
    """Return the components with the size and fill of letters; the first is no component."""
    width, height, area = facts[:, 2], facts[:, 3], facts[:, 4].astype(np.int64)
    fill = area / (width * height)
    kept = (height >= lowest) & (height <= highest)
    kept &= (width <= 1.8 * height) & (width >= 2) & (fill > 0.15) & (fill < 0.97)
    kept[0] = False
    return np.flatnonzero(kept)


def _spread(
    values: NDArray[np.generic], owner: NDArray[np.int64], number: int
) -> tuple[Numbers, Numbers]:
    """Return mean and standard deviation of the values of each component."""
    exact = values.astype(np.float64)
    count = np.maximum(np.bincount(owner, minlength=number), 1)
    mean = np.bincount(owner, exact, number) / count
    square = np.bincount(owner, exact * exact, number) / count
    return mean, np.sqrt(np.maximum(square - mean * mean, 0))
