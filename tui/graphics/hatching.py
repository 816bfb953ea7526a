"""Show in a picture what is left out: darker, and hatched, so that it takes no sense of colour."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.images.crops import Rect

_STRIPES = 40
"""Stripes along the shorter side: they are still seen when the picture is small."""
_DARK, _LIGHT = 0.25, 0.6
"""What is left of the light on and between the stripes."""

Shares = NDArray[np.float32]
"""How much of each pixel is used, 0 to 1, shape (height, width)."""


def within(size: tuple[int, int], parts: Iterable[Rect]) -> Shares:
    """Return 1 for the pixels in one of the parts, 0 for all others."""
    shares: Shares = np.zeros(size[::-1], np.float32)
    for part in parts:
        shares[part.top : part.bottom, part.left : part.right] = 1
    return shares


def of_mask(mask: Image.Image) -> Shares:
    """Return the shares of a mask, grey: 255 for what is used."""
    return np.asarray(mask, np.float32) / np.float32(255)


def hatched(image: Image.Image, shares: Shares) -> Image.Image:
    """Return a picture in which pixels are the darker the less they are used, with stripes.

    Args:
        image: RGB.
        shares: Of the same size.
    """
    pixels = np.asarray(image, np.float32)
    height, width = shares.shape
    period = max(4, min(width, height) * 2 // _STRIPES)
    y, x = np.indices((height, width), np.int32, sparse=True)
    stripes = np.where((x + y) % period < period // 2, np.float32(_DARK), np.float32(_LIGHT))
    light = shares + (1 - shares) * stripes
    return Image.fromarray((pixels * light[..., None]).round().astype(np.uint8))
