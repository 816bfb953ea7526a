"""Blur the sharper of two aligned pictures as the other is blurred: by movement or by focus.

A blurred copy lacks what is fine in the picture: thin bright and dark lines, which look like a mark
over the sharper one. A Gaussian explains the blur of resampling; a shaken camera and a lens out of
focus need a kernel of their own, which is fitted by least squares: the softer picture as a linear
combination of the pixels around each place of the sharper one. Content that changed at some place
is in no such relation to it, and neither is a mark.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.differences import BoolPlane, Plane

Kernel = NDArray[np.float32]

_SIDE = 15
"""Side of the kernel, pixels."""
_PLACES = 6000
"""Places that are looked at, at most."""
_ROUNDS = 3
_RIDGE = 2.0
"""Regularisation: the variance, levels squared, that is added to each pixel of the surroundings."""
_EXPLAINED = 0.5
"""Share of the variance of the difference that a kernel must explain."""


def blur_between(sharp: Plane, soft: Plane, inside: BoolPlane) -> Kernel | None:
    """Return the kernel that makes the sharper picture as soft as the other.

    Args:
        sharp: Luma of a picture, shape (height, width).
        soft: That of the softer one, aligned.
        inside: Pixels that both show.

    Returns:
        A kernel whose sum is 1; ``None`` if no blur explains most of the difference.
    """
    surroundings, wanted, before = _places(sharp, soft, inside)
    if len(wanted) <= 2 * _SIDE**2:
        return None
    centre = _SIDE**2 // 2
    middle = surroundings[:, centre].copy()
    weights = np.ones(len(wanted), np.float32)
    for _ in range(_ROUNDS):
        weighted = surroundings * weights[:, None]
        square = weighted.T @ surroundings
        square[np.diag_indices(len(square))] += _RIDGE * weights.sum()
        solved = np.linalg.solve(square, weighted.T @ (wanted - middle))
        off = wanted - middle - surroundings @ solved
        spread = 2.5 * max(1.5, 1.5 * float(np.median(np.abs(off))))
        weights = ((1 + (off / spread) ** 2) ** -2).astype(np.float32)
    if (weights * off**2).sum() > (1 - _EXPLAINED) * (weights * before**2).sum():
        return None
    kernel = solved.astype(np.float32)
    kernel[centre] += 1
    total = float(kernel.sum())
    return (kernel / total).reshape(_SIDE, _SIDE) if total > 0.5 else None


def _places(
    sharp: Plane, soft: Plane, inside: BoolPlane
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the pixels around some places, those of the softer picture, and their difference.

    All without their means, so that another brightness is no blur.
    """
    rim = _SIDE // 2
    every = max(1, math.ceil(math.sqrt(inside.sum() / _PLACES)))
    windows = np.lib.stride_tricks.sliding_window_view(sharp, (_SIDE, _SIDE))[::every, ::every]
    here = np.s_[rim : sharp.shape[0] - rim : every, rim : sharp.shape[1] - rim : every]
    used = cv2.erode(inside.astype(np.uint8), np.ones((_SIDE, _SIDE), np.uint8))[here] > 0
    surroundings = windows[used].reshape(-1, _SIDE**2)
    wanted = soft[here][used]
    centre = surroundings[:, _SIDE**2 // 2]
    difference = wanted - centre
    surroundings = surroundings - surroundings.mean(axis=0)
    return surroundings, wanted - wanted.mean(), difference - difference.mean()
