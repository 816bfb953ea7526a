"""Detect whether two pictures differ only by an overlay on one of them, such as a watermark.

A line of text makes a picture lighter along a line (or darker, at its edge or faintly), and
changes nothing else. A changed mouth or hand makes some pixels lighter and some darker, is small,
or is as high as it is wide.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
BoolPlane = NDArray[np.bool_]

_PARTS = (0.5, 0.67, 1.0)
"""Shares of the threshold from which a pixel may belong to the overlay."""
_AROUND, _ELSEWHERE = 13, 0.67
"""Beyond this distance, pixels, nothing may differ by more than this share of it."""
_FEW, _MUCH = 4, 0.12
"""Minimum of pixels, and maximum share of the picture, that may differ."""
_ONE_SIGN, _MOSTLY = 0.93, 0.8
"""Share of the difference with one sign (0: balanced): of the line, and of everything."""
_OPAQUE, _FAINT = 1.25, 0.7
"""Maximum difference of a translucent overlay, and of a dark one anywhere."""
_LONG, _WIDE = 3.8, 0.15
"""At the edge: minimum ratio of length to height, and minimum length as a share of the picture."""
_LONG_INSIDE, _WIDE_INSIDE = 3.0, 0.3
"""The same elsewhere."""
_MARGIN = 0.2
"""Share of the height at the top and the bottom where signatures and stamps go."""


def written_over(
    first: Plane, second: Plane, patches: Plane, within: BoolPlane, threshold: float
) -> int:
    """Determine whether two pictures differ only by an overlay on one of them.

    Args:
        first: Luma.
        second: Luma of the other one, aligned and with matched tones.
        patches: Difference at each place.
        within: Mask of the pixels to compare.
        threshold: Difference above which a place counts.

    Returns:
        Which has the overlay, 1 or 2; 0 if that is not the difference.
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
    """Return which picture, 1 or 2, has the overlay: the one with the edges of the difference."""
    around = cv2.dilate(different.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    ink = cv2.Laplacian(second - first, cv2.CV_32F)[around]
    edges = [cv2.Laplacian(plane, cv2.CV_32F)[around] for plane in (first, second)]
    return 2 if float((edges[1] * ink).sum()) > -float((edges[0] * ink).sum()) else 1


def _lightens(first: Plane, second: Plane, different: BoolPlane, written: int) -> bool:
    gain = float((second - first)[different].sum())
    return gain > 0 if written == 2 else gain < 0
