"""Match the saturation and hue of two aligned pictures, by one number each.

Editors change all colours of a picture alike: in luma and colour differences (paler, or turned by
an angle), or in hue, saturation and value (another hue at the same value). One rule for the whole
picture also holds for colours that are rare in it, which a fit of more numbers would leave as they
were.
"""

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]
"""Red, green and blue, shape (3, …), 0..255."""
Change = Callable[[Planes], Planes]

_ROUNDS, _SPREADS = 3, 2.5
_FEWEST, _COLOURLESS = 100, 4.0
"""Least number of pixels, and least spread of their colour differences, levels."""
_RECOLOURED = 0.1
"""Change of the colour differences, as a share of them, from which it is undone."""
_TURNED, _MOST_TURNED, _MOST_FADED = 0.03, 0.6, 3.0
"""Change of the hue, radians, from which that at the same value is tried, too; and most changes of
hue and saturation: beyond, it is rather another colour of hair or clothes."""
_STRONG, _SHARE = 8.0, 0.1
"""Colour difference, levels, that at least this share of either picture must have: the colour of
eyes alone says nothing of the whole picture."""
_WRONG = 40.0
"""Levels from which it does not matter how much a pixel differs: it is another content."""
_TO_COLOURS = np.array(((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081)))
"""Red, green, blue -> luma and two colour differences (ITU-R BT.601)."""


def in_colours_of(given: Planes, wanted: Planes) -> Change | None:
    """Return what gives pixels about the saturation and hue of others.

    Args:
        given: Some pixels of the picture to change, shape (3, n).
        wanted: The same of the aligned picture to match.

    Returns:
        ``None`` if they have them already, or have too few colours to know.
    """
    factor = _factor(given, wanted)
    if factor is None or abs(factor - 1) < _RECOLOURED:
        return None
    if abs(np.angle(factor)) > _MOST_TURNED or not 1 / _MOST_FADED < abs(factor) < _MOST_FADED:
        return None
    changes: list[Change] = [partial(_multiplied, matrix=_matrix(factor))]
    if abs(np.angle(factor)) > _TURNED:
        changes.append(partial(_turned, degrees=_hue(given, wanted)))
    return min(changes, key=lambda change: _off(change(given), wanted))


def _factor(given: Planes, wanted: Planes) -> complex | None:
    """Return the factor between the colour differences, each pair of which is a complex number."""
    before, after = _differences(given), _differences(wanted)
    if max(float((np.abs(each) > _STRONG).mean()) for each in (before, after)) < _SHARE:
        return None
    weights: NDArray[np.floating] = np.ones(len(before), np.float32)
    factor = 1 + 0j
    for _ in range(_ROUNDS):
        if weights.sum() < _FEWEST:
            return None
        # Without their means: a tint is no change of saturation.
        one, other = (each - np.average(each, weights=weights) for each in (before, after))
        energy = float((weights * np.abs(one) ** 2).sum())
        if energy < _COLOURLESS**2 * weights.sum():
            return None
        factor = complex((weights * one.conj() * other).sum()) / energy
        off = np.abs(other - np.complex64(factor) * one)
        spread = max(1.5, 1.5 * float(np.median(off))) * _SPREADS
        weights = (1 + (off / spread) ** 2) ** -2
    return factor


def _differences(pixels: Planes) -> NDArray[np.complex64]:
    blue, red = np.einsum("ij,jn->in", _TO_COLOURS[1:].astype(np.float32), pixels)
    result: NDArray[np.complex64] = (blue + np.complex64(1j) * red).astype(np.complex64)
    return result


def _matrix(factor: complex) -> NDArray[np.float32]:
    """Return the matrix for red, green and blue that multiplies the colour differences."""
    turn = np.eye(3)
    turn[1:, 1:] = ((factor.real, -factor.imag), (factor.imag, factor.real))
    result: NDArray[np.float64] = np.linalg.inv(_TO_COLOURS) @ turn @ _TO_COLOURS
    return result.astype(np.float32)


def _multiplied(planes: Planes, matrix: NDArray[np.float32]) -> Planes:
    return _planes(cv2.transform(_pixels(planes), matrix), planes.shape)


def _turned(planes: Planes, degrees: float) -> Planes:
    """Return other hues at the same saturation and value."""
    hues = cv2.cvtColor(_pixels(planes), cv2.COLOR_RGB2HSV)
    hues[..., 0] = (hues[..., 0] + degrees) % 360
    return _planes(cv2.cvtColor(hues, cv2.COLOR_HSV2RGB), planes.shape)


def _hue(given: Planes, wanted: Planes) -> float:
    """Return the median change of the hue, degrees; strong colours count more."""
    before, after = (cv2.cvtColor(_pixels(each), cv2.COLOR_RGB2HSV)[0] for each in (given, wanted))
    change = (after[:, 0] - before[:, 0] + 180) % 360 - 180
    weights = np.minimum(before[:, 1] * before[:, 2], after[:, 1] * after[:, 2])
    order = np.argsort(change)
    reached = np.cumsum(weights[order])
    return float(change[order][np.searchsorted(reached, reached[-1] / 2)])


def _off(planes: Planes, wanted: Planes) -> float:
    return float(np.minimum(np.abs(planes - wanted), _WRONG).mean())


def _pixels(planes: Planes) -> NDArray[np.float32]:
    """Return red, green and blue as the last axis, shape (height, width, 3)."""
    rows = planes.reshape(3, 1, -1) if planes.ndim == 2 else planes
    return np.asarray(cv2.merge(list(rows)), np.float32)


def _planes(pixels: NDArray[np.float32], shape: tuple[int, ...]) -> Planes:
    return np.stack([np.asarray(plane, np.float32) for plane in cv2.split(pixels)]).reshape(shape)
