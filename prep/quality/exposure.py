"""Exposure: too dark, without contrast, or burnt out and drowned."""

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float32]
Mask = NDArray[np.uint8]

_BURNT, _DROWNED = 254.0, 1.0
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


def clipped(grey: Grey, visible: Mask) -> float:
    """Return the share of the picture, 0 to 1, that is burnt out or drowned in black.

    Paper, drawn outlines and cut-out backgrounds are white or black on purpose: they end at an
    edge. An area that was over- or underexposed fades into what surrounds it.

    Args:
        grey: Shape (height, width), 0 to 255.
        visible: 1 where there is a picture, 0 where transparency was put on white; same shape.
    """
    burnt = _faded(((grey >= _BURNT) & (visible > 0)).astype(np.uint8), grey)
    drowned = _faded(((grey <= _DROWNED) & (visible > 0)).astype(np.uint8), 255.0 - grey)
    return burnt + drowned


def _faded(extreme: Mask, level: Grey) -> float:
    """Return the share of the picture in ``extreme`` areas beside which the level stays high."""
    count, labels, facts, _ = cv2.connectedComponentsWithStats(extreme, connectivity=8)
    areas = np.asarray(facts)[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = [n for n in np.argsort(areas)[::-1][:_LARGEST] if areas[n] >= _SMALL]
    if not kept or count < 2:
        return 0.0
    order = np.zeros(count, np.uint8)
    order[kept] = np.arange(1, len(kept) + 1)
    areas_at = order[labels]
    # The ring at a distance of two and three pixels: nearer ones are blends at a soft edge.
    near = cv2.dilate(extreme, np.ones((3, 3), np.uint8))
    around = cv2.dilate(areas_at, np.ones((7, 7), np.uint8))
    ring = (around > 0) & (near == 0)
    places = around[ring]
    number = np.maximum(np.bincount(places, minlength=len(kept) + 1), 1)
    soft = np.bincount(places, level[ring] >= 255.0 - _NEAR, minlength=len(kept) + 1) / number
    return sum(int(areas[n]) for i, n in enumerate(kept, 1) if soft[i] >= _FADING) / level.size
