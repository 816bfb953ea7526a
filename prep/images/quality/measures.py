"""All quality measures of one training image, in one decode."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from prep.errors import UnreadableError
from prep.images import decode, decode_alpha
from prep.images.buckets import Fit
from prep.images.crops import Rect, borders
from prep.images.pixels import Pixels, fitted, resized
from prep.images.quality import exposure
from prep.images.quality.blockiness import blockiness
from prep.images.quality.kinds import Values
from prep.images.quality.noise import noise
from prep.images.quality.sharpness import blur
from prep.images.quality.text import may_be_page, small_text, text

_VISIBLE = 8
"""Opacity, 0 to 255, from which a pixel is visible."""
_FINER, _FINEST = 1.3, 2.0
"""Enlargement of the training size at which small text is looked for, least and most."""


def measure(file: Path, size: tuple[int, int], rect: Rect, fit: Fit, *, alpha: bool) -> Values:
    """Measure the part of an image that is trained on.

    Args:
        file: The image.
        size: Its width and height in the index, pixels.
        rect: The part that is trained on.
        fit: How that part is fitted into its bucket.
        alpha: The file can hold transparency.

    Raises:
        UnreadableError: It cannot be decoded, or has changed since the last scan.
    """
    picture = decode(file)
    if picture.size != size:
        raise UnreadableError(f"{file.name}: it has changed since the last scan")
    if rect.size != size:
        picture = picture.crop(rect.corners)
    pixels = fitted(picture, fit)
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY))
    levels = grey.astype(np.float32)
    opacity = np.full_like(grey, 255)
    if alpha:
        opacity = fitted(decode_alpha(file).crop(rect.corners), fit)
    visible = (opacity >= _VISIBLE).astype(np.uint8)
    grain = noise(levels)
    inner = borders.inner(picture)
    kept = rect.size if inner is None else inner.size
    softness = blur(levels, grain)
    return {
        "blur": softness,
        "blocks": blockiness(levels, fit),
        "noise": grain,
        "dark": exposure.brightest(levels),
        "flat": exposure.contrast(levels),
        "clipped": exposure.clipped(levels, visible, softness),
        "upscale": fit.scale,
        "borders": 1 - kept[0] * kept[1] / (rect.size[0] * rect.size[1]),
        "text": max(text(grey), _small_text(picture, fit, grey)),
        "alpha": float(opacity.mean()) / 255,
    }


def _small_text(picture: Image.Image, fit: Fit, grey: Pixels) -> float:
    """Return the share that text covers which is too small to be seen at the training size."""
    factor = min(_FINEST, 1 / fit.scale)
    if factor < _FINER or not may_be_page(grey):
        return 0.0
    size = round(factor * fit.resized[0]), round(factor * fit.resized[1])
    left, top, width, height = (round(factor * n) for n in (fit.left, fit.top, *fit.bucket))
    finer = resized(picture, size)[top : top + height, left : left + width]
    return small_text(np.asarray(cv2.cvtColor(finer, cv2.COLOR_RGB2GRAY)))
