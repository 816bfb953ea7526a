"""Perceptual hashes: 64 bits that nearly agree if two pictures look alike.

``phash`` gives the values of ``imagehash.phash`` (8 x 8 low frequencies of a 32 x 32 cosine
transform, each compared with their median) with two multiplications by a constant matrix, and
the hashes of the mirrored and rotated picture almost for free: mirroring only flips the sign
of the odd columns, and rotating by 90 degrees swaps rows and columns.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.errors import UnreadableError
from prep.images import decode_grey, probe
from prep.images.quality.noise import noise

Hashes = NDArray[np.uint64]
GreyDoubles = NDArray[np.float64]

BITS = 64
_SIDE, _KEPT = 32, 8
_HASHED_SIDE = 4 * _SIDE
_EDGE = 0.1
"""Share of the width and height at each side that is not part of the middle."""
_SHARPNESS_SIDE = 256
"""Minimum width and height, pixels, of the decoded picture for both measures."""
_GRAIN_IN_DETAIL, _LEAST_CLEAN = 20.0, 0.1
"""Variance of the Laplacian of independent noise of variance 1, and the least share of detail that
counts: texture that covers a whole picture is measured as grain."""
_LEAST_SPREAD = 16.0
"""Spread of grey levels below which a picture is not compared at a contrast of its own: its grain
and rounding would count as detail."""


def _cosines() -> NDArray[np.float64]:
    """Return the first rows of the type II cosine transform, as scipy scales it."""
    frequency, position = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    return 2.0 * np.cos(math.pi * frequency * (2 * position + 1) / (2 * _SIDE))


_COSINES = _cosines()
_MIRROR = np.where(np.arange(_KEPT) % 2, -1.0, 1.0)
_FLIP = _MIRROR[:, None]
_WEIGHTS = np.uint64(1) << np.arange(BITS - 1, -1, -1, dtype=np.uint64)


@dataclass(frozen=True)
class PerceptualHash:
    """Perceptual hashes of a picture, in four orientations, and its sharpness.

    Attributes:
        whole: The hashes of the picture, unsigned 64 bits: upright, mirrored, flipped top to
            bottom, and rotated by 180 degrees.
        middle: The same of its middle, without a tenth at each side, where marks are.
        sharpness: See ``sharpness``.
    """

    whole: tuple[int, int, int, int]
    middle: tuple[int, int, int, int]
    sharpness: float


def perceptual_hash(path: Path) -> PerceptualHash:
    """Hash a file and measure its sharpness, in one decode.

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    grey = _plain_webp(path) or decode_grey(path, _SHARPNESS_SIDE)
    # Averaging whole blocks first is cheap and changes at most a bit or two.
    crisp = _averaged(grey, _SHARPNESS_SIDE)
    small = _averaged(crisp, _HASHED_SIDE)
    return PerceptualHash(turned_hashes(small), turned_hashes(middle_of(small)), sharpness(crisp))


def middle_of(grey: Image.Image) -> Image.Image:
    """Return a picture without a tenth at each side."""
    across, down = round(_EDGE * grey.width), round(_EDGE * grey.height)
    return grey.crop((across, down, grey.width - across, grey.height - down))


def _averaged(grey: Image.Image, side: int) -> Image.Image:
    """Reduce by a whole factor, to at least ``side`` pixels in width and height."""
    factor = min(grey.size) // side
    return grey.reduce(factor) if factor > 1 else grey


def _plain_webp(path: Path) -> Image.Image | None:
    """Decode a still, opaque, upright WebP picture to grey, in two thirds of Pillow's time."""
    if path.suffix.lower() != ".webp":
        return None
    found = probe(path)
    plain = not (found.alpha or found.profile) and found.frames == 1 and found.orientation == 1
    if found.format != "WEBP" or not plain:
        return None
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise UnreadableError(f"{path.name}: {error.strerror}") from error
    try:
        pixels: Any = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None
    return None if pixels is None else Image.fromarray(np.asarray(pixels, np.uint8))


def phash(grey: Image.Image) -> int:
    """Return the perceptual hash of a grey picture; equal to that of ``imagehash.phash``."""
    return turned_hashes(grey)[0]


def turned_hashes(grey: Image.Image) -> tuple[int, int, int, int]:
    """Return the hashes of a grey picture upright, mirrored, flipped, and rotated by 180 degrees.

    Those of the picture rotated by 90 degrees are the ``transposed`` ones of these.
    """
    small = grey.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    pixels = np.asarray(small, dtype=np.float64)
    # Rounding restores exact zeros that only the order of additions makes non-zero: flat and
    # symmetric pictures then have the same hash on every machine.
    low = np.round(_COSINES @ pixels @ _COSINES.T, 6)
    return _bits(low), _bits(low * _MIRROR), _bits(low * _FLIP), _bits(low * _FLIP * _MIRROR)


def transposed(hashes: Hashes) -> Hashes:
    """Return the hashes of the pictures with rows and columns swapped.

    Swaps the 8 x 8 bits by halves, quarters and eighths (Warren, "Hacker's Delight", 7-3).
    """
    result = hashes
    for shift, mask in (
        (7, 0x00AA00AA00AA00AA),
        (14, 0x0000CCCC0000CCCC),
        (28, 0x00000000F0F0F0F0),
    ):
        by = np.uint64(shift)
        swapped = (result ^ (result >> by)) & np.uint64(mask)
        result = result ^ swapped ^ (swapped << by)
    return result


def _bits(low: NDArray[np.float64]) -> int:
    ordered = np.sort(low, axis=None)  # np.median takes fifty times as long on so few numbers
    above = (low > (ordered[BITS // 2 - 1] + ordered[BITS // 2]) / 2).ravel()
    return int(_WEIGHTS[above].sum(dtype=np.uint64))


def sharpness(grey: Image.Image) -> float:
    """Return the variance of the Laplacian of a 256 x 256 version, over its grey variance.

    Dividing makes the measure independent of brightness and contrast, unless hardly any contrast is
    left; what grain adds is subtracted: a noisy copy is no sharper, and neither is a dark one.
    About 0.01 is soft, 0.1 and more is crisp; only compare versions of one picture.
    """
    side = (_SHARPNESS_SIDE, _SHARPNESS_SIDE)
    small = np.asarray(cv2.resize(np.asarray(grey), side, interpolation=cv2.INTER_AREA))
    spread = float(cv2.meanStdDev(small)[1][0, 0]) ** 2
    detail = float(cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))[1][0, 0]) ** 2
    grain = noise(small.astype(np.float32)) ** 2
    clean = max(detail - _GRAIN_IN_DETAIL * grain, _LEAST_CLEAN * detail)
    return clean / max(spread, _LEAST_SPREAD**2)


def distance(first: int, second: int) -> int:
    """Return the number of bits in which two hashes differ."""
    return (first ^ second).bit_count()
