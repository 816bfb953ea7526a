"""Align two pictures to a fraction of a pixel, whatever lies over a part of one of them.

Gauss-Newton on the places with the steepest slopes (Lucas and Kanade, "An Iterative Image
Registration Technique", IJCAI 1981), with weights that fall where the pictures differ
(Geman-McClure), so that a mark or another mouth does not pull the rest along.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Warp = NDArray[np.float32]

_STAGES = ((2.0, 5), (0.8, 5))
"""Softening, pixels, and maximum of steps at it."""
_CELL, _PLACES, _FEWEST = 4, 4000, 150
"""Side of the cells that give one place each; most and fewest places."""
_STEEP = 0.7
"""Minimum slope of a place, levels per pixel."""
_MARGIN = 8
_ROUNDS, _SPREADS = 2, 2.0
_SMALL_STEP = 0.02
"""Movement of the corners, pixels, at which the alignment is finished."""


def refined(first: Plane, second: Plane, warp: Warp) -> Warp:
    """Return a better affine map from places of the first picture to places of the second.

    Args:
        first: Luma, shape (height, width).
        second: Luma of the same shape, in any tones.
        warp: Initial map, a few pixels off at most.

    Returns:
        The map; the given one if the picture has too little structure.
    """
    for softening, steps in _STAGES:
        soft = cv2.GaussianBlur(first, (0, 0), softening)
        places = _places(soft)
        if len(places[0]) < _FEWEST:
            return warp
        rows = _regressors(soft, *places)
        other = cv2.GaussianBlur(second, (0, 0), softening)
        for _ in range(steps):
            step = _step(rows, other, warp, *places)
            if step is None:
                return warp
            warp = _moved_by(warp, step)
            if _corner_movement(step, first.shape) < _SMALL_STEP:
                break
    return warp


def _slopes(soft: Plane) -> tuple[Plane, Plane]:
    across = cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _places(soft: Plane) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the steepest place of each cell that has one, x and y, spread over the picture."""
    steepness = cv2.magnitude(*_slopes(soft))
    inner = np.zeros_like(soft)
    inside = np.s_[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    inner[inside] = steepness[inside]
    down, across = (side // _CELL for side in inner.shape)
    blocks = inner[: down * _CELL, : across * _CELL].reshape(down, _CELL, across, _CELL)
    cells = blocks.transpose(0, 2, 1, 3).reshape(-1, _CELL * _CELL)
    steepest = cells.max(axis=1)
    order = np.flatnonzero(steepest > _STEEP)
    if len(order) > _PLACES:
        # Evenly spread: the steepest ones may all belong to a mark.
        order = order[np.linspace(0, len(order) - 1, _PLACES).astype(np.intp)]
    best = cells[order].argmax(axis=1)
    cell_y, cell_x = np.divmod(order, across)
    return cell_x * _CELL + best % _CELL, cell_y * _CELL + best // _CELL


def _regressors(soft: Plane, x: NDArray[np.intp], y: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return what a small affine movement changes at each place, its level, and 1."""
    across, down = (slope[y, x].astype(np.float64) for slope in _slopes(soft))
    level = soft[y, x].astype(np.float64)
    u, v = _unit(soft.shape, x, y)
    moving = (across * u, across * v, across, down * u, down * v, down)
    return np.stack((*moving, level, np.ones_like(level)), axis=1)


def _unit(
    shape: tuple[int, ...], x: NDArray[np.intp], y: NDArray[np.intp]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return places relative to the centre, in units of half the longer side."""
    half = max(shape) / 2
    across, down = x.astype(np.float64), y.astype(np.float64)
    return (across - shape[1] / 2) / half, (down - shape[0] / 2) / half


def _step(
    rows: NDArray[np.float64],
    other: Plane,
    warp: Warp,
    x: NDArray[np.intp],
    y: NDArray[np.intp],
) -> NDArray[np.float64] | None:
    """Return a movement as a matrix of shape (3, 3), or ``None`` if too few places overlap."""
    points = np.stack((x, y, np.ones_like(x))).astype(np.float32)
    across, down = (warp @ points).astype(np.float32)
    levels = cv2.remap(
        other,
        across[None],
        down[None],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=-1.0,
    )[0].astype(np.float64)
    there = levels >= 0
    if there.sum() < _FEWEST:
        return None
    rows, levels = rows[there], levels[there]
    weights = np.ones(len(levels))
    for _ in range(_ROUNDS):
        # Not by BLAS, whose threads cost more than these few numbers.
        weighted = rows * weights[:, None]
        square = np.einsum("ni,nj->ij", weighted, rows) + 1e-3 * np.eye(rows.shape[1])
        found = np.linalg.solve(square, np.einsum("ni,n->i", weighted, levels))
        off = levels - np.einsum("ni,i->n", rows, found)
        spread = 1.5 * float(np.median(np.abs(off))) + 0.5
        weights = (1 + (off / (_SPREADS * spread)) ** 2) ** -2.0
    move = found[:6] / max(0.2, abs(float(found[6])))
    half = max(other.shape) / 2
    height, width = other.shape
    result = np.eye(3)
    for row in range(2):
        along, across_, shift = move[3 * row : 3 * row + 3]
        result[row, :2] += np.array((along, across_)) / half
        result[row, 2] = shift - (along * width / 2 + across_ * height / 2) / half
    return result


def _moved_by(warp: Warp, step: NDArray[np.float64]) -> Warp:
    full = np.vstack((warp, (0, 0, 1))) @ np.linalg.inv(step)
    result: Warp = full[:2].astype(np.float32)
    return result


def _corner_movement(step: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    height, width = shape[:2]
    corners = np.array(((0, width, 0, width), (0, 0, height, height), (1, 1, 1, 1)))
    return float(np.abs((step - np.eye(3)) @ corners).max())
