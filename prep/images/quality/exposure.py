"""Exposure: too dark, without contrast, or burnt out and drowned."""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.images.pixels import Grey

PixelMask = NDArray[np.uint8]

_CLIPPED = 254.0
"""Level of a clipped pixel; of black ones the distance from white counts."""
_EXTREME = 248.0
"""Level of an area that may be clipped: compression speckles it."""
_SOFTEST = 4.0
"""Edges wider than so many pixels are no edges."""
_NEAR = 40.0
"""An area that was clipped fades into its surroundings: beside it are levels nearly as extreme."""
_FADING = 0.25
"""So much of the border of such an area does; paper and outlines end at an edge nearly all over."""
_SMALL = 64
"""Areas of fewer pixels are highlights and pupils."""
_LARGEST = 255
"""Areas that are looked at, the largest first."""


def brightest(grey: Grey) -> float:
    """Return the level, 0 to 255, that only the lightest twentieth of the pixels exceeds."""
    return float(np.percentile(grey, 95))


def contrast(grey: Grey) -> float:
    """Return the distance of the lightest from the darkest percent of the pixels, in levels."""
    low, high = np.percentile(grey, (1, 99))
    return float(high - low)


def clipped(grey: Grey, visible: PixelMask, softness: float = 0.0) -> float:
    """Return the share of the picture, 0 to 1, that is burnt out or drowned in black.

    Paper, drawn outlines and cut-out backgrounds are white or black on purpose: they end at an
    edge. An area that was over- or underexposed fades into what surrounds it.

    Args:
        grey: Shape (height, width), 0 to 255.
        visible: 1 where there is a picture, 0 where transparency was put on white; same shape.
        softness: Width of the edges, pixels: so far a mere edge fades, too.
    """
    return sum(_faded(level, visible, softness) for level in (grey, 255.0 - grey))


def _faded(level: Grey, visible: PixelMask, softness: float) -> float:
    """Return the share of the picture in extreme areas beside which the level stays high."""
    extreme = ((level >= _EXTREME) & (visible > 0)).astype(np.uint8)
    count, labels, _, _ = cv2.connectedComponentsWithStats(extreme, connectivity=8)
    areas = np.bincount(labels[(level >= _CLIPPED) & (extreme > 0)], minlength=count)
    kept = [n for n in np.argsort(areas)[::-1][:_LARGEST] if areas[n] >= _SMALL]
    if not kept:
        return 0.0
    order = np.zeros(count, np.uint8)
    order[kept] = np.arange(1, len(kept) + 1)
    # The ring behind a soft edge: nearer pixels are blends of the area and what lies beside it.
    inner = max(1, round(2 * min(softness, _SOFTEST) - 0.2))
    near = cv2.dilate(extreme, _square(inner))
    around = cv2.dilate(order[labels], _square(inner + 2))
    ring = (around > 0) & (near == 0)
    places = around[ring]
    number = np.maximum(np.bincount(places, minlength=len(kept) + 1), 1)
    soft = np.bincount(places, level[ring] >= 255.0 - _NEAR, minlength=len(kept) + 1) / number
    return sum(int(areas[n]) for i, n in enumerate(kept, 1) if soft[i] >= _FADING) / level.size


def _square(reach: int) -> PixelMask:
    """Return the kernel that dilates by so many pixels."""
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
