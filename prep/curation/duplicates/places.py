"""Where two similar pictures differ, and the second one in the frame of the first, for people."""

from dataclasses import dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from prep.curation.duplicates.closer import CHANGED, Warp, changes, detailed_image
from prep.curation.duplicates.overlay import DIFFERENT_FROM
from prep.curation.duplicates.similarity import first_look, small_square

_MOST = 8
"""Places that are named; smaller ones beside them are left out."""
_JOINED = 0.03
"""Gap up to which places count as one, as a share of the longer side."""
_MOST_PIXELS = 4_000_000
_UNCOVERED = (128, 128, 128)


class Place(NamedTuple):
    """A part of a picture, in shares of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Differing:
    """Where a picture differs from another one.

    Attributes:
        places: The places that visibly differ, in the frame of the first; the largest ones, from
            the most different down. None for copies.
        warp: Maps places of the first to places of the second, both in shares of their width and
            height; shape (2, 3).
    """

    places: tuple[Place, ...]
    warp: Warp = field(default_factory=lambda: np.eye(2, 3, dtype=np.float32))

    @property
    def around(self) -> Place | None:
        """Return the box around all places; ``None`` for copies."""
        if not self.places:
            return None
        left, top, right, bottom = zip(*self.places, strict=True)
        return Place(min(left), min(top), max(right), max(bottom))


def find(first: Image.Image, second: Image.Image) -> Differing | None:
    """Return where two pictures differ; ``None`` if they cannot be laid over each other.

    Args:
        first: RGB.
        second: RGB, the same way up.
    """
    glance = first_look(small_square(first), small_square(second))
    if not glance.alike:
        return None
    found = changes(detailed_image(first), detailed_image(second), glance.warp)
    if found is None:
        return None
    significance, warp = found
    return Differing(_places(significance), warp)


def in_frame_of(first: tuple[int, int], second: Image.Image, warp: Warp) -> Image.Image:
    """Return the second picture as it lies over the first; grey where it shows nothing.

    Args:
        first: Width and height of the first picture.
        second: RGB.
        warp: See ``Differing``.
    """
    factor = min(1.0, (_MOST_PIXELS / (first[0] * first[1])) ** 0.5)
    width, height = (max(1, round(side * factor)) for side in first)
    if second.width > width and second.height > height:
        # Warping looks at a few pixels only: what is much larger is reduced first.
        second = second.resize((width, height), Image.Resampling.BOX)
    half = np.array(((1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)))
    to_shares = np.diag((1 / width, 1 / height, 1)) @ half
    to_pixels = np.linalg.inv(half) @ np.diag((second.width, second.height, 1))
    matrix = (to_pixels @ np.vstack((warp, (0, 0, 1))) @ to_shares)[:2]
    moved = cv2.warpAffine(
        np.asarray(second.convert("RGB")),
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=_UNCOVERED,
    )
    return Image.fromarray(np.asarray(moved, np.uint8))


def _places(significance: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]") -> tuple[Place, ...]:
    """Return boxes around the places that differ, near ones joined."""
    height, width = significance.shape
    differs = (significance > DIFFERENT_FROM).astype(np.uint8)
    side = 2 * round(_JOINED * max(width, height) / 2) + 1
    joined = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for number in range(1, count):
        left, top, wide, high, _ = (int(value) for value in stats[number])
        part = np.s_[top : top + high, left : left + wide]
        peak = float(significance[part][labels[part] == number].max())
        if peak >= CHANGED:
            box = Place(left / width, top / height, (left + wide) / width, (top + high) / height)
            found.append((peak, wide * high, box))
    largest = sorted(found, key=lambda each: -each[1])[:_MOST]
    return tuple(box for _, _, box in sorted(largest, reverse=True))
