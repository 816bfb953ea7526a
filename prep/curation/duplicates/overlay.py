"""Is what tells two pictures apart something written over one of them, as watermarks are?

A line of words makes a picture lighter along a line (or darker, at its edge or faintly), and
nothing else. A changed mouth or hand makes some of it lighter and some darker, is small, or is as
high as it is wide.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
BoolPlane = NDArray[np.bool_]

_PARTS = (0.5, 0.67, 1.0)
"""Shares of the threshold from which on a pixel may belong to what is written."""
_AROUND, _ELSEWHERE = 13, 0.67
"""Farther than so many pixels from it, nothing may differ by more than this share of it."""
_FEW, _MUCH = 4, 0.12
"""Pixels, and share of the picture, that may differ."""
_ONE_SIGN, _MOSTLY = 0.93, 0.8
"""Share of the difference that goes one way (0: as much each way): of the line, of everything."""
_OPAQUE, _FAINT = 1.25, 0.7
"""Nothing half-transparent differs by more; and what may be dark anywhere, by no more."""
_LONG, _WIDE = 3.8, 0.15
"""At the edge: how many times as long as high at least, and how long, as a share of the picture."""
_LONG_INSIDE, _WIDE_INSIDE = 3.0, 0.3
"""The same elsewhere."""
_MARGIN = 0.2
"""Share of the height at the top and the bottom where signatures and stamps go."""


def written_over(
    first: Plane, second: Plane, patches: Plane, within: BoolPlane, threshold: float
) -> int:
    """Tell whether two pictures differ by nothing but something written over one of them.

    Args:
        first: Luma.
        second: Luma of the other one, aligned and of the same tones.
        patches: How much each place differs.
        within: Where to look.
        threshold: A place with more than this differs.

    Returns:
        Which has it, 1 or 2; 0 when that is not the difference.
    """
    masks = [(patches > part * threshold) & within for part in _PARTS]
    largest = float(patches[within].max())
    if largest > _OPAQUE or _one_sign(first, second, masks[0]) < _MOSTLY:
        return 0
    for different in masks:
        around = cv2.dilate(different.astype(np.uint8), np.ones((_AROUND, _AROUND), np.uint8)) > 0
        if (patches[within & ~around] > _ELSEWHERE * threshold).any():
            continue
        written = _inked(first, second, different)
        lighter = _lightens(first, second, different, written)
        if _is_line(first, second, different, anywhere=lighter, faint=largest < _FAINT):
            return written
    return 0


def _one_sign(first: Plane, second: Plane, different: BoolPlane) -> float:
    gain = (second - first)[different]
    return float(abs(gain.sum()) / max(float(np.abs(gain).sum()), 1e-6))


def _is_line(
    first: Plane, second: Plane, different: BoolPlane, *, anywhere: bool, faint: bool
) -> bool:
    down, across = np.nonzero(different)
    if not _FEW <= len(down) <= _MUCH * different.size:
        return False
    if _one_sign(first, second, different) < _ONE_SIGN:
        return False
    spread, axes = np.linalg.eigh(np.cov(np.stack((across, down))))
    long = float(np.sqrt(spread[1] / max(float(spread[0]), 0.5)))
    along = np.stack((across, down), axis=1) @ axes[:, 1]
    height = len(different)
    wide = float(along.max() - along.min()) / height
    if down.max() < _MARGIN * height or down.min() >= (1 - _MARGIN) * height:
        return long >= _LONG and wide >= _WIDE
    if long < _LONG_INSIDE or wide < _WIDE_INSIDE:
        return False
    return anywhere or (faint and long >= _LONG)


def _inked(first: Plane, second: Plane, different: BoolPlane) -> int:
    """Return which picture, 1 or 2, has the ink: the one with the edges of the difference."""
    around = cv2.dilate(different.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ink = cv2.Laplacian(second - first, cv2.CV_32F)[around]
    edges = [cv2.Laplacian(plane, cv2.CV_32F)[around] for plane in (first, second)]
    return 2 if float((edges[1] * ink).sum()) > -float((edges[0] * ink).sum()) else 1


def _lightens(first: Plane, second: Plane, different: BoolPlane, written: int) -> bool:
    gain = float((second - first)[different].sum())
    return gain > 0 if written == 2 else gain < 0
