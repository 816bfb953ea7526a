"""JPEG blocks: steps along a regular grid, as the trainer will see them.

JPEG codes blocks of 8 x 8 pixels. At low quality their edges become visible, and a
model learns them. The grid is searched where scaling and cropping put it, at all eight
offsets it may have in the file: a picture later cropped and saved as PNG keeps its
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
"""Levels above which a step is an edge of the picture itself."""
_PLAIN = 0.5
"""Mean step, levels, below which a neighbourhood is plain: the paper of a drawing has no blocks,
and would only dilute those beside its lines."""
_NEIGHBOURHOOD = (17, 17)
_FINEST = 2.5
"""Pixels after scaling below which a block is invisible."""
_FEWEST = 200
"""Number of steps below which there is no result."""
_DRAWN = 0.45
"""Share of the picture's own edges on the grid above which the grid was drawn: pixel art, tiles.
In a photograph, edges are anywhere."""


def blockiness(grey: Grey, fit: Fit) -> float:
    """Return by how many grey levels steps on the block grid exceed those beside it.

    About 0.1 without visible blocks; 0.4 for JPEG quality 75, 1 for 50, 2 for 20.

    Args:
        grey: The picture at training size, shape (height, width), 0 to 255.
        fit: How it was scaled and cropped.
    """
    if _SIDE * fit.scale < _FINEST:
        return 0.0
    across = _excess(_profiles(grey), fit.scale, fit.left)
    down = _excess(_profiles(np.ascontiguousarray(grey.T)), fit.scale, fit.top)
    # Stripes of the subject run one way, blocks both ways.
    return min(across, down)


def _profiles(grey: Grey) -> Profiles:
    """Return, for each pair of columns: the sum of small steps, their number, and edges."""
    steps = cv2.absdiff(grey[:, 1:], grey[:, :-1])
    around = cv2.blur(cv2.min(steps, _EDGE), _NEIGHBOURHOOD)
    counted = (steps < _EDGE) & (around > _PLAIN)
    edges = (steps >= _EDGE).sum(0, np.float64)
    return (steps * counted).sum(0, np.float64), counted.sum(0, np.float64), edges


def _excess(profiles: Profiles, scale: float, cut: int) -> float:
    """Return by how much the steps at the best grid offset exceed the others."""
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
