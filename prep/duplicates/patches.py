"""Characteristic patches of pictures, by which crops of one source are found.

ORB (Rublee et al., "ORB: an efficient alternative to SIFT or SURF", ICCV 2011) gives each corner
256 bits. The first 64 of them are searched like hashes of whole pictures; all of them decide.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import events
from prep.duplicates import hash_store
from prep.duplicates.pairs import close_pairs
from prep.images import decode_grey
from prep.index import ImageRow, Index

SIDE = 384
"""Longer side at which patches are looked for, pixels."""
_MOST, _ALL = 300, 4_000_000
"""Patches of one picture, and of all together."""
_RADIUS = 7
_COMMON = 40
"""What more pictures than this have is no mark of any: a plain corner, a logo."""
_VOTES = 5
_UPRIGHT = 20.0
"""Crops are not turned: patches may differ by so many degrees."""
_MOST_CANDIDATES = 12
_TYPE = np.dtype([("x", "<f4"), ("y", "<f4"), ("angle", "<f4"), ("bits", "u1", (32,))])

Patches = NDArray[np.void]
"""Records: ``x`` and ``y`` as shares of the width and height, ``angle`` in degrees, ``bits``."""


@dataclass(frozen=True)
class Pictures:
    """Patches of n pictures and the pairs of them that share several."""

    patches: list[Patches]
    candidates: list[tuple[int, int]]


def find(path: Path) -> Patches:
    """Find the patches of a file.

    Raises:
        UnreadableError: It cannot be decoded.
    """
    grey = decode_grey(path, SIDE)
    scale = SIDE / max(grey.size)
    size = (max(1, round(grey.width * scale)), max(1, round(grey.height * scale)))
    pixels = np.asarray(grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))
    finder = cv2.ORB.create(_MOST, 1.2, 8, 20, 0, 2, cv2.ORB_HARRIS_SCORE, 31, 8)
    points, bits = finder.detectAndCompute(pixels, None)
    found = np.zeros(len(points), _TYPE)
    if len(points):
        found["x"] = [point.pt[0] / size[0] for point in points]
        found["y"] = [point.pt[1] / size[1] for point in points]
        found["angle"] = [point.angle for point in points]
        found["bits"] = bits
    return found


def make(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Find the patches of contents that have none yet; events as ``hash_store.hash_contents``."""
    with index.connection:
        index.connection.execute(
            "CREATE TABLE IF NOT EXISTS patches("
            "content TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID"
        )
    known = {content for (content,) in index.connection.execute("SELECT content FROM patches")}

    def save(found: list[tuple[ImageRow, Patches]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO patches VALUES(?, ?)",
                ((row.content, patches.tobytes()) for row, patches in found),
            )

    yield from hash_store.computed_once(index, "finding patches", rows, known, find, save)


def read(index: Index, rows: Iterable[ImageRow]) -> list[Patches]:
    """Return the patches of images, in their order, fewer of each when there are very many."""
    rows = list(rows)
    most = min(_MOST, _ALL // max(1, len(rows)))
    found = []
    for row in rows:
        data = index.connection.execute(
            "SELECT data FROM patches WHERE content = ?", (row.content,)
        ).fetchone()
        found.append(np.frombuffer(data[0] if data else b"", _TYPE)[:most])
    return found


def candidates(patches: list[Patches]) -> list[tuple[int, int]]:
    """Return the pairs of pictures that share several patches, each picture with its best few."""
    if not any(len(each) for each in patches):
        return []
    owners = np.concatenate([np.full(len(p), i, np.int32) for i, p in enumerate(patches)])
    together = np.concatenate(patches)
    keys = np.ascontiguousarray(together["bits"][:, :8]).view("<u8").ravel()
    keep = _not_common(keys)
    keys, owners, angles = keys[keep], owners[keep], together["angle"][keep]
    votes: dict[int, int] = {}
    for block in close_pairs(keys, _RADIUS):
        one, other = owners[block.first], owners[block.second]
        turned = np.abs((angles[block.first] - angles[block.second] + 180) % 360 - 180)
        good = (one != other) & (turned < _UPRIGHT)
        low, high = np.minimum(one, other)[good], np.maximum(one, other)[good]
        pairs, counts = np.unique(low.astype(np.int64) << 32 | high, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            votes[pair] = votes.get(pair, 0) + count
    return _best(votes)


def _not_common(keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    _, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.asarray(counts[places] <= _COMMON)


def _best(votes: Mapping[int, int]) -> list[tuple[int, int]]:
    """Return pairs from most to fewest votes, as long as one of the two has few better ones."""
    taken: dict[int, int] = {}
    found = []
    for pair in sorted(votes, key=lambda each: (-votes[each], each)):
        first, second = pair >> 32, pair & 0xFFFFFFFF
        if votes[pair] < _VOTES:
            break
        if min(taken.get(first, 0), taken.get(second, 0)) < _MOST_CANDIDATES:
            found.append((first, second))
            for each in (first, second):
                taken[each] = taken.get(each, 0) + 1
    return found
