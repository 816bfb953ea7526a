"""Pixels for training: scale and cut an image to its bucket, for the export and the trainer.

The kernels are those of sd-scripts: area averaging to shrink (OpenCV), Lanczos to enlarge
(Pillow).
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.buckets import Fit, Size

Pixels = NDArray[np.uint8]


def fitted(image: Image.Image, fit: Fit) -> Pixels:
    """Scale an RGB image and cut it to its bucket.

    Args:
        image: RGB, of the size that ``fit`` was made for.
        fit: From ``Buckets.fit``.

    Returns:
        RGB pixels of shape (bucket height, bucket width, 3).
    """
    pixels = resized(image, fit.resized)
    width, height = fit.bucket
    return pixels[fit.top : fit.top + height, fit.left : fit.left + width]


def resized(image: Image.Image, size: Size) -> Pixels:
    """Scale an RGB image to ``size`` (width, height)."""
    if image.size == size:
        return np.asarray(image)
    if size[0] > image.width or size[1] > image.height:
        return np.asarray(image.resize(size, Image.Resampling.LANCZOS))
    shrunk: Any = cv2.resize(np.asarray(image), size, interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, dtype=np.uint8)
