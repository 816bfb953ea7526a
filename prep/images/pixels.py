"""Pixels for training: scale and crop an image to its bucket, for the export and the trainer.

Masks are processed like their images, so that they stay aligned.

The kernels are those of sd-scripts: area averaging to shrink (OpenCV), Lanczos to enlarge
(Pillow).
"""

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

_MOST_CUT = 16
"""Maximum size of a scaled image, in sizes of its bucket."""


def fitted(image: Image.Image, fit: Fit) -> Pixels:
    """Scale an image and crop it to its bucket.

    Args:
        image: RGB, RGBA or grey, of the size that ``fit`` was made for.
        fit: From ``Buckets.fit``.

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
    pixels = resized(image, fit.resized)
    return pixels[fit.top : fit.top + height, fit.left : fit.left + width]


def resized(image: Image.Image, size: Size) -> Pixels:
    """Scale an image to ``size`` (width, height)."""
    if image.size == size:
        return np.asarray(image)
    if size[0] > image.width or size[1] > image.height:
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    shrunk: Any = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.uint8)
