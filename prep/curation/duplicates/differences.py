"""Where two aligned pictures differ by more than encoding, resampling and misalignment explain.

A small movement leaves a residual of movement times slope, a blur one of blur times curvature:
both are fitted around each place, within limits, and subtracted. The energy that remains is
compared with what is usual in this pair of pictures at places of the same steepness, so that a
strongly compressed copy has no differences, and an altered mouth has.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.tones import Planes

Plane = NDArray[np.float32]
BoolPlane = NDArray[np.bool_]

_TO_LUMA = np.array(
    ((0.299, 0.587, 0.114), (-0.169, -0.331, 0.5), (0.5, -0.419, -0.081)), np.float32
)
"""Red, green, blue -> luma and two colour differences (ITU-R BT.601)."""
_AROUND = 13
"""Side of the surroundings over which movement and blur are fitted, pixels."""
_MOVED, _BLURRED = 0.6, 0.35
"""Largest movement, pixels, and blur that count as alignment and resampling."""
_SOFT = 0.7
_ENERGY = 5
"""Side of the patches whose energy is measured, pixels."""
_COLOUR = 0.7
"""Weight of the energy of the colour differences."""
_SOFTNESS = (1.0, 1.8, 1.8)
"""Softening of luma and colour differences before, pixels."""
_STEEPNESS = 9
_LEVELS, _PER_OCTAVE = 21, 1.5
"""Classes of steepness, and how many of them the energy of the slopes doubles in."""
_EVERY, _FEWEST = 2, 100
"""Rows and columns that are looked at, and minimum of pixels, to know what is usual in a class."""
_FLOOR, _USUAL = 9.0, 4.0
"""Energy that nobody sees, levels squared, and the multiple of the usual energy that is added."""


def to_luma(planes: Planes) -> Planes:
    """Return luma and two colour differences, shape (3, height, width)."""
    turned = cv2.split(cv2.transform(cv2.merge(list(planes)), _TO_LUMA))
    return np.stack([np.asarray(plane, np.float32) for plane in turned])


def luma_of(planes: Planes) -> Plane:
    """Return the luma only, shape (height, width)."""
    return np.asarray(cv2.transform(cv2.merge(list(planes)), _TO_LUMA[:1]), np.float32)


def significance(first: Planes, second: Planes, covered: BoolPlane, inside: BoolPlane) -> Plane:
    """Return the energy of the difference at each place, relative to what is to be expected.

    About 1 and less is usual for copies; nothing that is clearly visible is below 25.

    Args:
        first: One picture; red, green and blue.
        second: The other, aligned, in the same tones.
        covered: Pixels that both show.
        inside: Those of them that are compared: not so close to the edge that it matters.
    """
    one, other = to_luma(first), to_luma(second)
    left = _unexplained(one - other, np.float32(0.5) * (one + other))
    left *= covered
    energy = _energy(left)
    steepness = np.minimum(_steepness(one[0]), _steepness(other[0]))
    usual = _usual(energy, steepness, inside)
    result: Plane = energy / (_USUAL * usual + _FLOOR)
    result[~inside] = 0
    return result


def _box(plane: Plane, side: int) -> Plane:
    return np.asarray(cv2.boxFilter(plane, -1, (side, side)), np.float32)


def _slopes(plane: Plane) -> tuple[Plane, Plane]:
    across = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(across, np.float32), np.asarray(down, np.float32)


def _unexplained(residual: Planes, middle: Planes) -> Planes:
    """Subtract what a small movement and a little blur of the pictures explain."""
    luma = np.asarray(cv2.GaussianBlur(middle[0], (0, 0), _SOFT), np.float32)
    across, down = _slopes(luma)
    square_x, square_y = _box(across * across, _AROUND) + 0.5, _box(down * down, _AROUND) + 0.5
    mixed = _box(across * down, _AROUND)
    with_x, with_y = _box(across * residual[0], _AROUND), _box(down * residual[0], _AROUND)
    scale = 1 / (square_x * square_y - mixed * mixed)
    move_x = _limited((square_y * with_x - mixed * with_y) * scale, _MOVED)
    move_y = _limited((square_x * with_y - mixed * with_x) * scale, _MOVED)
    left = residual.copy()
    left[0] -= move_x * across + move_y * down
    curve = np.asarray(cv2.Laplacian(luma, cv2.CV_32F), np.float32)
    blur = _box(left[0] * curve, _AROUND) / (_box(curve * curve, _AROUND) + 1)
    left[0] -= _limited(blur, _BLURRED) * curve
    for number in (1, 2):
        across, down = _slopes(middle[number])
        left[number] -= move_x * across + move_y * down
    return left


def _limited(plane: Plane, most: float) -> Plane:
    """Cut values to -``most`` .. ``most``, in place."""
    return np.clip(plane, -most, most, out=plane)


def _energy(left: Planes) -> Plane:
    """Return the energy around each place; that of colours is softer, as JPEG stores them."""
    luma, red, blue = (
        np.asarray(cv2.GaussianBlur(plane, (0, 0), softness), np.float32)
        for plane, softness in zip(left, _SOFTNESS, strict=True)
    )
    squares = luma * luma + _COLOUR * (red * red + blue * blue)
    return _box(squares.astype(np.float32, copy=False), _ENERGY)


def _steepness(luma: Plane) -> Plane:
    """Return the energy of the slopes around each place."""
    across, down = _slopes(np.asarray(cv2.GaussianBlur(luma, (0, 0), _SOFT), np.float32))
    return _box(across * across + down * down, _STEEPNESS)


def _usual(energy: Plane, steepness: Plane, inside: BoolPlane) -> Plane:
    """Return the median energy at places of about the same steepness, within reason.

    The bounds keep a picture that differs everywhere from making all differences usual.
    """
    octaves = _PER_OCTAVE * (np.log2(steepness + np.float32(0.25)) + 2)
    classes = octaves.astype(np.int32).clip(0, _LEVELS - 1)
    few = np.s_[::_EVERY, ::_EVERY]
    of, values = classes[few][inside[few]], energy[few][inside[few]]
    medians = np.zeros(_LEVELS, np.float32)
    for number in range(_LEVELS):
        these = values[of == number]
        if len(these) >= _FEWEST:
            medians[number] = np.median(these)
        elif number:
            medians[number] = medians[number - 1]
    slopes = 2 ** (np.arange(_LEVELS, dtype=np.float32) / _PER_OCTAVE - 2)
    bounded = np.maximum.accumulate(medians).clip(0.018 * slopes, 10 + 0.04 * slopes)
    result: Plane = bounded.astype(np.float32)[classes]
    return result
