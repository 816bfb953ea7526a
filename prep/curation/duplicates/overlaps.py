"""Overlaps: the part that two pictures have in common if both show parts of one source.

Their patches give the alignment; then the common parts are compared, like
near-duplicates, so that two drawings of the same character do not overlap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.curation.duplicates.patches import MATCHED_BITS, Marks, Patches
from prep.curation.duplicates.patches import SIDE as PATCHES_SIDE
from prep.curation.duplicates.similarity import SIDE, same_part
from prep.dataset.index import ImageRow, Index
from prep.errors import UnreadableError
from prep.images import decode_small

VERSION = 1
"""Version of the search: raise it when results may change."""
_DECODED = 512
_INLIERS = 8
_OFF = 4.0
"""Tolerance of the position of a matching patch, pixels (of ``patches.SIDE``)."""
_TURNED, _LARGEST_SCALE = 0.05, 12.0
_LARGEST_SHARE = 0.95
"""Share above which, if both show that much of each other, neither is a crop."""
_SMALLEST_SHARE, _LEAST_OF_ONE = 0.03, 0.5
"""Minimum of the common share: of both pictures, and of one of them."""
_PLAIN = 6.0
"""Minimum spread of grey levels of the common parts."""
_FIRST_LOOK, _ALIKE = 16, 0.7
"""Side of the common parts in the first test, and the correlation they must have there: those of
real crops have 0.9."""


class OverlapBox(NamedTuple):
    """A rectangle, as fractions of the width and height of a picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        """Share of the picture."""
        return max(0.0, self.right - self.left) * max(0.0, self.bottom - self.top)


@dataclass(frozen=True)
class Overlap:
    """The common part of two pictures, in each of them."""

    first: OverlapBox
    second: OverlapBox

    @property
    def turned_round(self) -> "Overlap":
        """Return the same with the pictures swapped."""
        return Overlap(self.second, self.first)


def overlap_of(
    first: Patches, second: Patches, size: tuple[int, int], other: tuple[int, int]
) -> Overlap | None:
    """Return the overlap of two pictures if they may be crops of one source.

    Args:
        first: Patches of one picture.
        second: Patches of the other one.
        size: Width and height of the first, pixels.
        other: Width and height of the second.
    """
    if min(len(first), len(second)) < _INLIERS:
        return None
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, True)
    matches = [
        match
        for match in matcher.match(first["bits"], second["bits"])
        if match.distance <= MATCHED_BITS
    ]
    if len(matches) < _INLIERS:
        return None
    one = _places(first, size)[[match.queryIdx for match in matches]]
    two = _places(second, other)[[match.trainIdx for match in matches]]
    warp, inliers = cv2.estimateAffinePartial2D(one, two, None, cv2.RANSAC, _OFF)
    if warp is None or int(inliers.sum()) < _INLIERS:
        return None
    scale, turned = float(np.hypot(warp[0, 0], warp[1, 0])), float(warp[1, 0])
    if not 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE or abs(turned) > _TURNED * scale:
        return None
    return _common(scale, warp[:, 2], _scaled(size), _scaled(other))


def _scaled(size: tuple[int, int]) -> NDArray[np.float64]:
    return np.array(size, np.float64) * (PATCHES_SIDE / max(size))


def _places(patches: Patches, size: tuple[int, int]) -> NDArray[np.float32]:
    width, height = _scaled(size)
    return np.stack((patches["x"] * width, patches["y"] * height), axis=1).astype(np.float32)


def _common(
    scale: float, shift: NDArray[np.float64], size: NDArray[np.float64], other: NDArray[np.float64]
) -> Overlap | None:
    """Return the common rectangle in fractions of both, given second = scale * first + shift."""
    low = np.maximum(shift, 0)
    high = np.minimum(scale * size + shift, other)
    second = OverlapBox(*(low / other), *(high / other))
    first = OverlapBox(*((low - shift) / scale / size), *((high - shift) / scale / size))
    shares = first.area, second.area
    if (high <= low).any() or min(shares) < _SMALLEST_SHARE or max(shares) < _LEAST_OF_ONE:
        return None
    return None if min(shares) > _LARGEST_SHARE else Overlap(first, second)


class OverlapSearch:
    """Compares candidates in several tests of increasing cost."""

    def __init__(self, index: Index, rows: Sequence[ImageRow], known: Sequence[Marks]) -> None:
        self._root, self._rows, self._known = index.project.root, rows, known
        self._decoded = lru_cache(64)(self._decode)

    def closer(self, pairs: Sequence[tuple[int, int]]) -> list[Overlap | None]:
        """Return the overlap of each pair, if any. Thread-safe."""
        return [self._common(first, second) for first, second in pairs]

    def _common(self, first: int, second: int) -> Overlap | None:
        one, other = self._known[first], self._known[second]
        sizes = [(row.width, row.height) for row in (self._rows[first], self._rows[second])]
        overlap = overlap_of(one.patches, other.patches, sizes[0], sizes[1])
        if overlap is None or not _alike(one.tiny, other.tiny, overlap):
            return None
        paths = self._rows[first].path, self._rows[second].path
        return overlap if self._same(paths[0], paths[1], overlap) else None

    def _same(self, first: str, second: str, overlap: Overlap) -> bool:
        cuts = []
        for path, box in ((first, overlap.first), (second, overlap.second)):
            image = self._decoded(path)
            if image is None:
                return False
            cuts.append(_cut(image, box, SIDE))
        if min(float(cut.mean(axis=2).std()) for cut in cuts) < _PLAIN:
            return False
        return same_part(cuts[0], cuts[1])

    def _decode(self, path: str) -> Image.Image | None:
        try:
            return decode_small(self._root / path, _DECODED)
        except UnreadableError:
            return None


def _cut(image: Image.Image, box: OverlapBox, side: int) -> NDArray[np.uint8]:
    """Return a part of a picture as a square."""
    w, h = image.size
    pixels = (box.left * w, box.top * h, box.right * w, box.bottom * h)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX, pixels), np.uint8)


def _alike(first: NDArray[np.uint8], second: NDArray[np.uint8], overlap: Overlap) -> bool:
    """Return whether the common parts may match, judged by tiny versions: cheap, rarely wrong."""
    parts = [
        _cut(Image.fromarray(tiny), box, _FIRST_LOOK).astype(np.float32)
        for tiny, box in ((first, overlap.first), (second, overlap.second))
    ]
    one, other = (part - part.mean() for part in parts)
    together = float(np.linalg.norm(one) * np.linalg.norm(other))
    return together > 0 and float((one * other).sum()) / together >= _ALIKE
