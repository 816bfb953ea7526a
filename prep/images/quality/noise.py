"""Noise: the standard deviation of fine grain in the plainest parts of a picture."""

import cv2
import numpy as np

from prep.images.pixels import Grey

_BLOCK = 16
"""Side of the blocks that are measured separately, pixels."""
_PLAINEST = 20
"""Percentile of the blocks: the others contain texture, which is not noise."""
_DARK, _LIGHT = 8, 247
"""Levels beyond which blocks are clipped: their noise was cut off."""
_FEWEST = 0.05
"""Share of usable blocks below which there is no result."""
_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
"""Ignores flat and evenly rising parts; of norm 1 for independent noise (Immerkær,
"Fast noise variance estimation", 1996)."""


def noise(grey: Grey) -> float:
    """Return the noise in grey levels, 0 for a clean drawing.

    Measured in the plainest fifth of the blocks, so that fur, grass and hatching do not count.

    Args:
        grey: Shape (height, width), 0 to 255.
    """
    grain = np.abs(cv2.filter2D(grey, cv2.CV_32F, _KERNEL, borderType=cv2.BORDER_REFLECT))
    deviation = _blocks(grain) * np.float32(np.sqrt(np.pi / 2))
    level = _blocks(grey)
    usable = deviation[(level > _DARK) & (level < _LIGHT)]
    if usable.size < max(1, _FEWEST * level.size):
        return 0.0
    return float(np.percentile(usable, _PLAINEST))


def _blocks(values: Grey) -> Grey:
    """Return the mean of each block, without incomplete blocks at the right and bottom edges."""
    height, width = (length // _BLOCK for length in values.shape)
    cut = values[: height * _BLOCK, : width * _BLOCK]
    return np.asarray(cut.reshape(height, _BLOCK, width, _BLOCK).mean(axis=(1, 3)))
