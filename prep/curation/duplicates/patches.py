"""Characteristic patches (ORB features) of pictures, for finding crops of one source.

ORB (Rublee et al., "ORB: an efficient alternative to SIFT or SURF", ICCV 2011) gives each corner
256 bits. A tiny version of the picture is stored with them, for a first test of overlaps.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import events
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.images import decode_grey

SIDE = 384
"""Longer side of the picture in which patches are searched, pixels."""
_MOST, _ALL = 300, 4_000_000
"""Maximum of patches per picture, and in total."""
MATCHED_BITS = 64
"""Maximum of bits in which patches of the same spot differ."""
TINY = 64
"""Side of the tiny version, pixels, whatever its aspect ratio."""
_TYPE = np.dtype([("x", "<f4"), ("y", "<f4"), ("angle", "<f4"), ("bits", "u1", (32,))])

Patches = NDArray[np.void]
"""Records: ``x`` and ``y`` as fractions of width and height, ``angle`` in degrees, ``bits``."""


class Marks(NamedTuple):
    """The patches of one picture, and a grey version of shape (TINY, TINY)."""

    patches: Patches
    tiny: NDArray[np.uint8]


def find(path: Path) -> Marks:
    """Find the patches of a file, at most 300.

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
    tiny = grey.resize((TINY, TINY), Image.Resampling.BOX)
    return Marks(found, np.asarray(tiny, np.uint8))


def make(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Find the patches of contents that have none yet; events as in ``contents.hash_contents``."""
    version = _version()
    known = {
        content
        for (content,) in index.connection.execute(
            "SELECT content FROM patches WHERE version = ?", (version,)
        )
    }

    def save(found: list[tuple[ImageRow, Marks]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO patches VALUES(?, ?, ?, ?)",
                ((row.content, m.patches.tobytes(), m.tiny.tobytes(), version) for row, m in found),
            )

    yield from contents.computed_once(index, "finding patches", rows, known, find, save)


def read(index: Index, rows: Iterable[ImageRow]) -> list[Marks]:
    """Return the marks of images, in order, with fewer patches each if there are very many."""
    rows = list(rows)
    version = _version()
    most = min(_MOST, _ALL // max(1, len(rows)))
    found = []
    for row in rows:
        data, tiny = index.connection.execute(
            "SELECT patches, tiny FROM patches WHERE content = ? AND version = ?",
            (row.content, version),
        ).fetchone() or (b"", bytes(TINY * TINY))
        pixels = np.frombuffer(tiny, np.uint8).reshape(TINY, TINY)
        found.append(Marks(np.frombuffer(data, _TYPE)[:most], pixels))
    return found


def _version() -> str:
    """Return what tells these patches from those of other sizes."""
    return f"{SIDE} {TINY}"
