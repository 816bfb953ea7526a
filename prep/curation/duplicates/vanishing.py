"""Does a rule of tones fit two pictures only because it makes what one of them shows vanish?

A drawing of bare lines over a plain ground and over a sky have their lines in common. A rule that
turns every tone of the sky into the one of the plain ground explains the rest, though in the other
direction no rule makes a sky out of a plain ground. Edits lose detail, too, but only where they
clip it: whatever vanishes elsewhere is another background.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.differences import BoolPlane, luma_of
from prep.curation.duplicates.tones import Planes

_VISIBLE, _LEFT = 6.0, 0.5
"""Luma that is off in one direction, levels, to be visible, and the share of it that may be off in
the other if it vanishes."""
_SOFT = 5
"""Side of the patches that are averaged, pixels."""
_SHARE = 0.13
"""Share of the picture that must vanish."""
_CLIPPED = (10.0, 245.0)
"""Levels at which a channel may have been clipped, or which no rule fits beside clipped ones."""
_GAIN = 1.4
"""Largest change of contrast that is taken for an edit: what it does not clip has not been."""


def may_vanish(as_found: Planes, matched: Planes, inside: BoolPlane) -> bool:
    """Return whether a rule of tones changes enough of a picture for something to vanish.

    Args:
        as_found: A picture, shape (3, height, width).
        matched: The same in the tones of another one.
        inside: Pixels that are compared, shape (height, width).
    """
    moved = np.abs(luma_of(matched) - luma_of(as_found)) > _VISIBLE
    return bool((moved & inside).sum() > _SHARE * inside.sum())


def vanishes(
    first: Planes, second: Planes, first_matched: Planes, second_matched: Planes, inside: BoolPlane
) -> bool:
    """Return whether visible parts of one picture vanish in the tones of the other.

    Args:
        first: A picture, shape (3, height, width).
        second: The other one, aligned.
        first_matched: The first in the tones of the second.
        second_matched: The second in the tones of the first.
        inside: Pixels that are compared, shape (height, width).
    """
    # Softened, so that the noise of an encoder is nothing that could vanish.
    off_first = _off(first, second_matched)
    off_second = _off(second, first_matched)
    return any(
        ((off > _VISIBLE) & (other < _LEFT * off) & inside & ~_clipped(plain, rich)).sum()
        > _SHARE * inside.sum()
        for off, other, plain, rich in (
            (off_first, off_second, second, first),
            (off_second, off_first, first, second),
        )
    )


def _off(picture: Planes, other: Planes) -> NDArray[np.float32]:
    soft = cv2.boxFilter(luma_of(picture - other), -1, (_SOFT, _SOFT))
    return np.abs(np.asarray(soft, np.float32))


def _clipped(plain: Planes, rich: Planes) -> BoolPlane:
    """Return where a channel of ``plain`` may be clipped, whatever it was in ``rich``."""
    low, high = _CLIPPED
    white = (plain >= high) & (rich >= 255 / _GAIN)
    black = (plain <= low) & (rich <= 255 - 255 / _GAIN)
    return np.asarray((white | black).any(axis=0))
