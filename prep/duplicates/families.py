"""Families: crops of one source, which show the same drawing or photograph in different cuts.

They are no duplicates: a portrait cut from a full figure teaches something else. So families are
shown, and never resolved. Pairs that share patches are laid over each other and compared where
they overlap, as near-duplicates are, so that two drawings of one character are no family.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import events
from prep.duplicates import hash_store, votes
from prep.duplicates import patches as patches_
from prep.duplicates.groups import Cluster, Member
from prep.duplicates.hashes import distance
from prep.duplicates.likeness import SIDE, compare
from prep.duplicates.patches import Marks, Patches
from prep.errors import UnreadableError
from prep.images import decode_small
from prep.index import ImageRow, Index
from prep.parallel import ordered

_DECODED = 512
_INLIERS = 8
_OFF = 4.0
"""Pixels (of ``patches.SIDE``) that a matching patch may lie beside its place."""
_TURNED, _LARGEST_SCALE = 0.05, 12.0
_LARGEST_SHARE = 0.95
"""When both show more of each other than this, it is no crop."""
_SMALLEST_SHARE, _LEAST_OF_ONE = 0.03, 0.5
"""Of either and of one picture, at least so much must be common."""
_PLAIN = 6.0
"""Common parts with a smaller spread of grey levels prove nothing."""
_FIRST_LOOK, _ALIKE = 16, 0.7
"""Side of the common parts at the first look, and how much they must be correlated there: those of
real crops are by 0.9."""
_AT_ONCE = 64
"""Pairs that a thread looks at before it reports."""


class Box(NamedTuple):
    """A rectangle, as shares of the width and height of a picture."""

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
    """What two pictures have in common: the part of each."""

    first: Box
    second: Box


def run(index: Index, rows: Sequence[ImageRow]) -> Iterator[events.Event | Cluster]:
    """Find the families among pictures that are no duplicates of each other.

    Yields:
        Progress and Skipped; a Cluster for each family, the one that shows most first.
    """
    yield from patches_.make(index, rows)
    rows = [row for row in rows if row.content is not None]
    known = patches_.read(index, rows)
    pairs = votes.candidates([marks.patches for marks in known])
    look = _Look(index, rows, known)
    edges: dict[int, list[tuple[int, Overlap]]] = defaultdict(list)
    throttle = events.Throttle()
    parts = [pairs[start : start + _AT_ONCE] for start in range(0, len(pairs), _AT_ONCE)]
    done = 0
    with closing(ordered(look.closer, parts)) as looked:
        for part, found in looked:
            for first, second, overlap in found:
                edges[first].append((second, overlap))
                edges[second].append((first, Overlap(overlap.second, overlap.first)))
            done += len(part)
            yield from events.tick("comparing crops", len(pairs), throttle, done)
    hashes = hash_store.phashes(index)
    for family in _components(edges):
        yield _cluster(family, edges, rows, hashes)


def overlap_of(
    first: Patches, second: Patches, size: tuple[int, int], other: tuple[int, int]
) -> Overlap | None:
    """Return what two pictures have in common if one may be a crop of the other's source.

    Args:
        first: Patches of one picture.
        second: Of the other one.
        size: Width and height of the first, pixels.
        other: Of the second.
    """
    if min(len(first), len(second)) < _INLIERS:
        return None
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, True)
    matches = [
        match
        for match in matcher.match(first["bits"], second["bits"])
        if match.distance <= patches_.MATCHED_BITS
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
    return np.array(size, np.float64) * (patches_.SIDE / max(size))


def _places(patches: Patches, size: tuple[int, int]) -> NDArray[np.float32]:
    width, height = _scaled(size)
    return np.stack((patches["x"] * width, patches["y"] * height), axis=1).astype(np.float32)


def _common(
    scale: float, shift: NDArray[np.float64], size: NDArray[np.float64], other: NDArray[np.float64]
) -> Overlap | None:
    """Return the common rectangle in shares of both, when second = scale * first + shift."""
    low = np.maximum(shift, 0)
    high = np.minimum(scale * size + shift, other)
    second = Box(*(low / other), *(high / other))
    first = Box(*((low - shift) / scale / size), *((high - shift) / scale / size))
    shares = first.area, second.area
    if (high <= low).any() or min(shares) < _SMALLEST_SHARE or max(shares) < _LEAST_OF_ONE:
        return None
    return None if min(shares) > _LARGEST_SHARE else Overlap(first, second)


class _Look:
    """Looks at candidates, each more closely than the one before it called for."""

    def __init__(self, index: Index, rows: Sequence[ImageRow], known: Sequence[Marks]) -> None:
        self._root, self._rows, self._known = index.project.root, rows, known
        self._decoded = lru_cache(64)(self._decode)

    def closer(self, pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int, Overlap]]:
        """Return the pairs that show parts of one picture. Threads may share this."""
        found = []
        for first, second in pairs:
            one, other = self._known[first], self._known[second]
            sizes = [(row.width, row.height) for row in (self._rows[first], self._rows[second])]
            overlap = overlap_of(one.patches, other.patches, sizes[0], sizes[1])
            if overlap is not None and _alike(one.tiny, other.tiny, overlap):
                paths = self._rows[first].path, self._rows[second].path
                if self._same(paths[0], paths[1], overlap):
                    found.append((first, second, overlap))
        return found

    def _same(self, first: str, second: str, overlap: Overlap) -> bool:
        cuts = []
        for path, box in ((first, overlap.first), (second, overlap.second)):
            image = self._decoded(path)
            if image is None:
                return False
            cuts.append(_cut(image, box, SIDE))
        if min(float(cut.mean(axis=2).std()) for cut in cuts) < _PLAIN:
            return False
        return compare(cuts[0], cuts[1]).same

    def _decode(self, path: str) -> Image.Image | None:
        try:
            return decode_small(self._root / path, _DECODED)
        except UnreadableError:
            return None


def _cut(image: Image.Image, box: Box, side: int) -> NDArray[np.uint8]:
    """Return a part of a picture as a square."""
    w, h = image.size
    pixels = (box.left * w, box.top * h, box.right * w, box.bottom * h)
    return np.asarray(image.resize((side, side), Image.Resampling.BOX, pixels), np.uint8)


def _alike(first: NDArray[np.uint8], second: NDArray[np.uint8], overlap: Overlap) -> bool:
    """May the common parts be the same, as far as tiny versions tell? Cheap, and rarely wrong."""
    parts = [
        _cut(Image.fromarray(tiny), box, _FIRST_LOOK).astype(np.float32)
        for tiny, box in ((first, overlap.first), (second, overlap.second))
    ]
    one, other = (part - part.mean() for part in parts)
    together = float(np.linalg.norm(one) * np.linalg.norm(other))
    return together > 0 and float((one * other).sum()) / together >= _ALIKE


def _components(edges: Mapping[int, Sequence[tuple[int, Overlap]]]) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in sorted(edges):
        if start in seen:
            continue
        family, waiting = [], [start]
        seen.add(start)
        while waiting:
            here = waiting.pop()
            family.append(here)
            new = {other for other, _ in edges[here]} - seen
            seen |= new
            waiting.extend(sorted(new))
        yield sorted(family)


def _cluster(
    family: Sequence[int],
    edges: Mapping[int, Sequence[tuple[int, Overlap]]],
    rows: Sequence[ImageRow],
    hashes: Mapping[str, int],
) -> Cluster:
    """Put the picture that shows most first and say of the others what they show of it."""
    extent = _extents(family, edges)
    source = max(family, key=lambda each: (extent[each], rows[each].width * rows[each].height))
    direct = dict(edges[source])
    members = []
    for each in sorted(set(family) - {source}, key=lambda m: -extent[m]):
        if each in direct:
            detail = _shows(direct[each], rows[source], rows[each])
        else:
            detail = f"overlaps {rows[edges[each][0][0]].path.rpartition('/')[2]}"
        ours, theirs = hashes.get(rows[source].content or ""), hashes.get(rows[each].content or "")
        bits = 64 if ours is None or theirs is None else distance(ours, theirs)
        members.append(Member(rows[each], "crop", bits, detail))
    return Cluster(rows[source], members)


def _extents(
    family: Sequence[int], edges: Mapping[int, Sequence[tuple[int, Overlap]]]
) -> dict[int, float]:
    """Return how much of the scene each picture shows, relative to the first one."""
    extent, waiting = {family[0]: 1.0}, [family[0]]
    while waiting:
        here = waiting.pop()
        for other, overlap in edges[here]:
            if other not in extent:
                extent[other] = extent[here] * overlap.first.area / overlap.second.area
                waiting.append(other)
    return extent


def _shows(overlap: Overlap, source: ImageRow, row: ImageRow) -> str:
    """Say which part of the source a crop shows, and how much larger."""
    share = 100 * overlap.first.area
    scale = (overlap.second.right - overlap.second.left) * row.width
    scale /= max(1e-6, (overlap.first.right - overlap.first.left) * source.width)
    words = f"shows {share:.0f} % of it"
    return words if abs(scale - 1) < 0.03 else f"{words}, {scale:.2f} times as large"
