"""Blur: the width of the sharpest edges of a picture, in pixels of the training size.

An edge blurred by a Gaussian of width s has its gradient divided by
sqrt(s² + r²) / s when blurred once more by a known width r; so s follows from the ratio of
two gradients (Zhuo and Sim, "Defocus map estimation from a single image", Pattern Recognition
2011). Unlike the variance of a Laplacian, this does not depend on the amount of detail: a
plain drawing and a forest have the same value when they are equally sharp.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.images.pixels import Grey

_AGAIN = 1.0
"""Width of the second blur, pixels."""
_STRONG = 6.0
"""Minimum gradient of an edge, grey levels per pixel: noise and texture stay below."""
_NOISE = 2.0
"""Maximum gradient caused by noise, per level of its standard deviation."""
_SHARPEST = 20
"""Percentile of the widths: a soft background behind a sharp subject is not a fault."""
_ENOUGH = 64
"""Number of edge pixels below which there is no result."""
_WIDEST = 9.9


def blur(grey: Grey, noise: float = 0.0) -> float:
    """Return the width (Gaussian sigma, pixels) of the sharpest fifth of the edges.

    About 0.5 is as sharp as pixels allow, 1 is usual, and from 2 a picture is visibly soft. A
    picture without edges gives 0: it is empty rather than blurred.

    Args:
        grey: Shape (height, width), 0 to 255.
        noise: Standard deviation of its grain, levels: only edges that stand out from it count.
    """
    first, ridge = _gradient(grey)
    second, _ = _gradient(cv2.GaussianBlur(grey, (0, 0), _AGAIN))
    edge = ridge & (first > _STRONG + _NOISE * noise)
    if np.count_nonzero(edge) < _ENOUGH:
        return 0.0
    ratio = first[edge] / np.maximum(second[edge], 1e-3)
    widths = _AGAIN / np.sqrt(np.maximum(ratio * ratio - 1, (_AGAIN / _WIDEST) ** 2))
    return float(np.percentile(widths, _SHARPEST))


def _gradient(grey: Grey) -> tuple[Grey, NDArray[np.bool_]]:
    """Return the length of the gradient per pixel, and where it is highest across an edge."""
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, scale=1 / 8)
    length = np.asarray(cv2.magnitude(across, down))
    upright = np.abs(across) >= np.abs(down)
    rows = cv2.dilate(length, np.ones((1, 3), np.uint8))
    columns = cv2.dilate(length, np.ones((3, 1), np.uint8))
    return length, length >= np.where(upright, rows, columns)
