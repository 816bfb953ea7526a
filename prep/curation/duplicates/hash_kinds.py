"""Other kinds of 64-bit hashes, by imagehash, for finding candidates that the usual ones miss.

They are computed for all eight orientations of a picture and of its middle, which takes many times
as long as our own hashes. imagehash brings scipy and PyWavelets along: it is imported when needed.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import events
from prep.curation.duplicates.hash_store import PerceptualHashes
from prep.curation.duplicates.hashes import Hashes, middle_of
from prep.curation.duplicates.neighbours import TURNS, turn
from prep.dataset.contents import USABLE, computed_once
from prep.dataset.index import ImageRow, Index
from prep.images import decode_grey

HashKind = Literal["phash", "ahash", "dhash", "whash"]
OWN: HashKind = "phash"
"""The kind that ``hashes`` computes."""
KINDS: tuple[HashKind, ...] = get_args(HashKind)
_FUNCTIONS = MappingProxyType({"ahash": "average_hash", "dhash": "dhash", "whash": "whash"})
_SIDE = 128
"""Minimum of pixels, in width and height, of what is hashed."""


def turned_hashes(path: Path, kind: HashKind) -> Hashes:
    """Return the hashes of a picture and of its middle in all ``TURNS``, shape (2, 8).

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    import imagehash

    function: Callable[[Image.Image], Any] = getattr(imagehash, _FUNCTIONS[kind])
    grey = decode_grey(path, _SIDE)
    factor = min(grey.size) // _SIDE
    small = grey.reduce(factor) if factor > 1 else grey
    return np.array(
        [
            [
                _number(function(Image.fromarray(turn(np.asarray(part), number))).hash)
                for number in range(len(TURNS))
            ]
            for part in (small, middle_of(small))
        ],
        np.uint64,
    )


def _number(bits: NDArray[np.bool_]) -> int:
    return int.from_bytes(np.packbits(bits.ravel()).tobytes(), "big")


def make(index: Index, rows: Iterable[ImageRow], kind: HashKind) -> Iterator[events.Event]:
    """Compute the hashes of contents that have none; events as ``contents.hash_contents``."""
    select = "SELECT content FROM other_hashes WHERE kind = ?"
    known = {content for (content,) in index.connection.execute(select, (kind,))}

    def work(file: Path) -> bytes:
        return turned_hashes(file, kind).tobytes()

    def save(found: list[tuple[ImageRow, bytes]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO other_hashes VALUES(?, ?, ?)",
                ((row.content, kind, data) for row, data in found),
            )

    yield from computed_once(index, "hashing", rows, known, work, save)


def usable_hashes(index: Index, kind: HashKind) -> PerceptualHashes:
    """Return the hashes of all usable images, of shape (8, n), numbered as our own hashes are."""
    rows = index.connection.execute(
        "SELECT h.id, o.hashes FROM perceptual_hashes h"
        " JOIN other_hashes o ON o.content = h.content AND o.kind = ?"
        f" WHERE h.content IN (SELECT i.content FROM images i {USABLE}) ORDER BY h.id",
        (kind,),
    ).fetchall()
    ids = np.array([number for number, _ in rows], np.int64)
    hashes = np.frombuffer(b"".join(data for _, data in rows), np.uint64)
    turned = hashes.reshape(len(rows), 2, len(TURNS)).transpose(1, 2, 0)
    whole, middle = np.ascontiguousarray(turned)
    return PerceptualHashes(ids, whole, middle)
