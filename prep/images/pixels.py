"""Pixels for training: scale and crop an image to its bucket, for the export and the trainer.

Masks are processed like their images, so that they stay aligned.

The kernels are those of sd-scripts (``library/utils.py:resize_image``): unless one is asked for,
area averaging to shrink (OpenCV), Lanczos to enlarge (Pillow).
"""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.images.buckets import Fit, Size

Pixels = NDArray[np.uint8]
"""Shape (height, width) or (height, width, channels)."""
Grey = NDArray[np.float32]
"""One channel, shape (height, width), 0 to 255."""

KERNELS: Mapping[str, int | Image.Resampling] = {
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "nearest": cv2.INTER_NEAREST_EXACT,
    "bilinear": cv2.INTER_LINEAR,
    "linear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "cubic": cv2.INTER_CUBIC,
    "area": cv2.INTER_AREA,
}
"""Kernels by the names that sd-scripts gives them: Pillow's, or OpenCV's as plain numbers."""

_MOST_CUT = 16
"""Maximum size of a scaled image, in sizes of its bucket."""


def fitted(image: Image.Image, fit: Fit, kernel: str = "") -> Pixels:
    """Scale an image and crop it to its bucket.

    Args:
        image: RGB, RGBA or grey, of the size that ``fit`` was made for.
        fit: From ``Buckets.fit``.
        kernel: As in ``resized``.

    Returns:
        Pixels of shape (bucket height, bucket width, channels), without the last axis for grey.
    """
    width, height = fit.bucket
    if fit.resized[0] * fit.resized[1] > _MOST_CUT * width * height:
        # A thin strip, scaled until it covers its bucket, may take gigabytes: crop it first.
        across, down = image.width / fit.resized[0], image.height / fit.resized[1]
        box = (fit.left * across, fit.top * down)
        far = ((fit.left + width) * across, (fit.top + height) * down)
        return np.asarray(image.resize(fit.bucket, Image.Resampling.LANCZOS, box=(*box, *far)))
    pixels = resized(image, fit.resized, kernel)
    return pixels[fit.top : fit.top + height, fit.left : fit.left + width]


def resized(image: Image.Image, size: Size, kernel: str = "") -> Pixels:
    """Scale an image to ``size`` (width, height).

    Args:
        image: RGB, RGBA or grey.
        size: In pixels.
        kernel: From ``KERNELS``; empty for the usual ones.
    """
    if image.size == size:
        return np.asarray(image)
    if kernel:
        chosen = KERNELS[kernel]
        if isinstance(chosen, Image.Resampling):
            return np.asarray(image.resize(size, chosen))
        scaled: Any = cv2.resize(np.asarray(image), size, interpolation=chosen)
        return np.asarray(scaled, dtype=np.uint8)
    if size[0] > image.width or size[1] > image.height:
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    shrunk: Any = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.uint8)
