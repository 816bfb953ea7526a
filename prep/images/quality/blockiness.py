"""JPEG blocks: steps along a regular grid, as the trainer will see them.

A JPEG is coded in squares of 8 x 8 pixels. Saved at a low quality it shows their edges, and a
model learns them. The grid is looked for where scaling and cutting has put it, at all eight
places it may have in the file: a picture that was cropped and saved as PNG afterwards keeps its
blocks.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.images.buckets import Fit
from prep.images.pixels import Grey

Profile = NDArray[np.float64]
Profiles = tuple[Profile, Profile, Profile]

_SIDE = 8
_EDGE = 30.0
"""Steps above so many levels are edges of the picture itself."""
_PLAIN = 0.5
"""Mean step, levels, below which a neighbourhood is plain: a drawing's paper has no blocks, and
would only thin out those beside its lines."""
_NEIGHBOURHOOD = (17, 17)
_FINEST = 2.5
"""Blocks that are smaller than so many pixels after scaling are out of sight."""
_FEWEST = 200
"""Steps below which nothing can be said."""
_DRAWN = 0.45
"""Share of the picture's own edges on the grid from which on the grid was drawn: pixel art, tiles.
In a photograph they are anywhere."""


def blockiness(grey: Grey, fit: Fit) -> float:
    """Return how much higher steps are along the block grid than beside it, in grey levels.

    About 0.1 without visible blocks, 0.4 for a JPEG of quality 75, 1 of quality 50, 2 of 20.

    Args:
        grey: The picture as it is trained, shape (height, width), 0 to 255.
        fit: How it was scaled and cut.
    """
    if _SIDE * fit.scale < _FINEST:
        return 0.0
    across = _excess(_profiles(grey), fit.scale, fit.left)
    down = _excess(_profiles(np.ascontiguousarray(grey.T)), fit.scale, fit.top)
    # Stripes of the motif run one way, blocks both ways.
    return min(across, down)


def _profiles(grey: Grey) -> Profiles:
    """Return, between each column and the next: the sum of the small steps, their number, edges."""
    steps = cv2.absdiff(grey[:, 1:], grey[:, :-1])
    around = cv2.blur(cv2.min(steps, _EDGE), _NEIGHBOURHOOD)
    counted = (steps < _EDGE) & (around > _PLAIN)
    edges = (steps >= _EDGE).sum(0, np.float64)
    return (steps * counted).sum(0, np.float64), counted.sum(0, np.float64), edges


def _excess(profiles: Profiles, scale: float, cut: int) -> float:
    """Return how far the steps at the best place of the grid stand out from the others."""
    sums, numbers, edges = profiles
    # The line between two columns, in pixels of the file.
    line = (np.arange(len(sums)) + 1 + cut) / scale
    best = 0.0
    for place in range(_SIDE):
        distance = np.abs((line - place + _SIDE / 2) % _SIDE - _SIDE / 2)
        on = distance <= 0.5 / scale
        if edges.sum() >= _FEWEST and edges[on].sum() >= _DRAWN * edges.sum():
            return 0.0
        steps, others = numbers[on].sum(), numbers[~on].sum()
        if min(steps, others) >= _FEWEST:
            best = max(best, float(sums[on].sum() / steps - sums[~on].sum() / others))
    return best
