"""Exposure: too dark, without contrast, blown highlights or crushed shadows."""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.images.pixels import Grey

PixelMask = NDArray[np.uint8]

_CLIPPED = 254.0
"""Level of a clipped pixel; shadows are inverted first."""
_EXTREME = 248.0
"""Level of an area that may be clipped, lower because of compression noise."""
_SOFTEST = 4.0
"""Pixels above which an edge is too wide to count as one."""
_NEAR = 40.0
"""Level beside a clipped area, which fades into its surroundings."""
_FADING = 0.25
"""Share of a clipped area's border that fades; paper and outlines do not."""
_SMALL = 64
"""Pixels below which an area is a highlight or a pupil."""
_LARGEST = 255
"""Maximum of areas that are examined, the largest first."""


def brightest(grey: Grey) -> float:
    """Return the level, 0 to 255, that only the lightest twentieth of the pixels exceeds."""
    return float(np.percentile(grey, 95))


def contrast(grey: Grey) -> float:
    """Return the range between the darkest and the lightest percent of the pixels, in levels."""
    low, high = np.percentile(grey, (1, 99))
    return float(high - low)


def clipped(grey: Grey, visible: PixelMask, softness: float = 0.0) -> float:
    """Return the share of the picture, 0 to 1, that is clipped to white or black.

    Paper, drawn outlines and cut-out backgrounds are white or black on purpose: they end at an
    edge. An area that was over- or underexposed fades into what surrounds it.

    Args:
        grey: Shape (height, width), 0 to 255.
        visible: 1 where the picture is, 0 where transparency became white; same shape.
        softness: Width of the edges, pixels: within it, plain edges fade as well.
    """
    return sum(_faded(level, visible, softness) for level in (grey, 255.0 - grey))


def _faded(level: Grey, visible: PixelMask, softness: float) -> float:
    """Return the share of the picture in extreme areas that fade into their surroundings."""
    extreme = ((level >= _EXTREME) & (visible > 0)).astype(np.uint8)
    count, labels, _, _ = cv2.connectedComponentsWithStats(extreme, connectivity=8)
    areas = np.bincount(labels[(level >= _CLIPPED) & (extreme > 0)], minlength=count)
    kept = [n for n in np.argsort(areas)[::-1][:_LARGEST] if areas[n] >= _SMALL]
    if not kept:
        return 0.0
    order = np.zeros(count, np.uint8)
    order[kept] = np.arange(1, len(kept) + 1)
    # The ring beyond a soft edge: nearer pixels blend the area with its surroundings.
    inner = max(1, round(2 * min(softness, _SOFTEST) - 0.2))
    near = cv2.dilate(extreme, _square(inner))
    around = cv2.dilate(order[labels], _square(inner + 2))
    ring = (around > 0) & (near == 0)
    places = around[ring]
    number = np.maximum(np.bincount(places, minlength=len(kept) + 1), 1)
    soft = np.bincount(places, level[ring] >= 255.0 - _NEAR, minlength=len(kept) + 1) / number
    return sum(int(areas[n]) for i, n in enumerate(kept, 1) if soft[i] >= _FADING) / level.size


def _square(reach: int) -> PixelMask:
    """Return the kernel that dilates by ``reach`` pixels."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
