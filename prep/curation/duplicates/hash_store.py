"""Hashes of the images of an index: computed once per content, stored in ``cache.db``.

Hashes are keyed by content, not path: renaming, moving or copying an image costs nothing, and a
second run only processes new contents. Functions that compute are generators of events.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from prep import events
from prep.curation.duplicates.hashes import Hashes, PerceptualHash, perceptual_hash
from prep.curation.duplicates.similarity import Thumbnail, thumbnail
from prep.dataset.contents import USABLE, RowPages, computed_once, rows_of
from prep.dataset.index import ImageRow, Index
from prep.errors import UnreadableError
from prep.images import decode

_SIGN, _MODULUS = 1 << 63, 1 << 64
_JPEG = b"\xff\xd8"
"""SQLite's integers are signed."""
_HASHES = (
    "upright, mirrored, flipped, turned, middle, middle_mirrored, middle_flipped, middle_turned"
)
_USABLE = f"FROM images i {USABLE}"
_HASHED = f"FROM images i JOIN perceptual_hashes h ON h.content = i.content {USABLE}"


class PerceptualHashes(NamedTuple):
    """The hashes of n contents: ``ids``, shape (n,), and upright to turned, shape (4, n).

    ``middle`` are those of the middle of the pictures, see ``PerceptualHash``.
    """

    ids: NDArray[np.int64]
    hashes: Hashes
    middle: Hashes


def unseen(index: Index) -> RowPages:
    """Return one usable image for each content that has no perceptual hash yet."""
    return rows_of(
        index,
        f"SELECT min(i.id) {_USABLE} AND i.content IS NOT NULL"
        " AND i.content NOT IN (SELECT content FROM perceptual_hashes) GROUP BY i.content",
    )


def hash_pictures(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Compute the perceptual hashes of contents that have none; events as ``hash_contents``."""
    known = {
        content for (content,) in index.connection.execute("SELECT content FROM perceptual_hashes")
    }

    def save(found: list[tuple[ImageRow, PerceptualHash]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO perceptual_hashes"
                f"(content, {_HASHES}, clean_detail) VALUES(?,?,?,?,?,?,?,?,?,?)",
                (
                    (
                        row.content,
                        *map(_signed, (*seen.whole, *seen.middle)),
                        seen.sharpness,
                    )
                    for row, seen in found
                ),
            )

    yield from computed_once(index, "hashing", rows, known, perceptual_hash, save)


def make_thumbnails(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Make the thumbnails that ``similarity`` compares; events as ``hash_contents``."""
    select = "SELECT content FROM thumbnails"
    known = {content for (content,) in index.connection.execute(select)}

    def save(found: list[tuple[ImageRow, bytes]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO thumbnails VALUES(?, ?)",
                ((row.content, data) for row, data in found),
            )

    def work(file: Path) -> bytes:
        return _packed(thumbnail(file))

    yield from computed_once(index, "looking closer", rows, known, work, save)


def phashes(index: Index) -> dict[str, int]:
    """Return the stored perceptual hashes, by content."""
    rows = index.connection.execute("SELECT content, upright FROM perceptual_hashes")
    return {content: value % _MODULUS for content, value in rows}


def usable_hashes(index: Index) -> PerceptualHashes:
    """Return the perceptual hashes of all images that are readable and not excluded, as arrays."""
    count = index.connection.execute("SELECT count(*) FROM perceptual_hashes").fetchone()[0]
    table = np.empty((count, 9), np.int64)
    rows = index.connection.execute(
        f"""SELECT id, {_HASHES} FROM perceptual_hashes
        WHERE content IN (SELECT i.content {_USABLE}) ORDER BY id"""
    )
    found = 0
    for found, row in enumerate(rows, 1):
        table[found - 1] = row
    table = table[:found]
    hashes = table[:, 1:].T.copy().view(np.uint64)
    return PerceptualHashes(table[:, 0].copy(), hashes[:4], hashes[4:])


def copied(index: Index) -> list[int]:
    """Return the ids of the hashes whose content several usable images have."""
    return [
        number
        for (number,) in index.connection.execute(
            f"SELECT h.id FROM perceptual_hashes h WHERE h.content IN"
            f" (SELECT i.content {_USABLE} GROUP BY i.content HAVING count(*) > 1)"
        )
    ]


def images_of(index: Index, ids: Iterable[int]) -> dict[int, list[ImageRow]]:
    """Return the usable images that have these hashes, by the id of the hash."""
    connection = index.connection
    with connection:
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted(id INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM wanted")
        connection.executemany("INSERT INTO wanted VALUES(?)", ((int(each),) for each in set(ids)))
    pairs = connection.execute(
        f"SELECT h.id, i.id {_HASHED} AND h.id IN (SELECT id FROM wanted)"
        " ORDER BY i.natural, i.path"
    ).fetchall()
    rows = index.rows([image for _, image in pairs])
    found: dict[int, list[ImageRow]] = defaultdict(list)
    for (number, _), row in zip(pairs, rows, strict=True):
        found[number].append(row)
    return found


def sharpness_of(index: Index, contents: Collection[str]) -> dict[str, float]:
    """Return the sharpness of these contents; see ``prep.curation.duplicates.hashes.sharpness``."""
    rows = index.connection.execute("SELECT content, clean_detail FROM perceptual_hashes")
    return {content: sharp for content, sharp in rows if content in contents}


def read_thumbnail(index: Index, content: str) -> Thumbnail | None:
    """Return a thumbnail stored by ``make_thumbnails``."""
    row = index.connection.execute(
        "SELECT picture FROM thumbnails WHERE content = ?", (content,)
    ).fetchone()
    if row is None or not row[0].startswith(_JPEG):  # nothing else is decoded
        return None
    decoded: Any = cv2.imdecode(np.frombuffer(row[0], np.uint8), cv2.IMREAD_COLOR)
    return None if decoded is None else np.ascontiguousarray(decoded[..., ::-1])


def pixel_digest(index: Index, row: ImageRow) -> str | None:
    """Return a digest of the size and pixels of a decoded image.

    It is stored by content.

    Returns:
        ``None`` if the file cannot be decoded.
    """
    known = index.connection.execute(
        "SELECT digest FROM pixel_digests WHERE content = ?", (row.content,)
    ).fetchone()
    if known is not None:
        return str(known[0])
    try:
        image = decode(index.project.root / row.path)
    except UnreadableError:
        return None
    size = f"{image.width}x{image.height}:".encode()
    digest = hashlib.blake2b(size + image.tobytes(), digest_size=16).hexdigest()
    with index.connection:
        index.connection.execute("INSERT INTO pixel_digests VALUES(?, ?)", (row.content, digest))
    return digest


def _packed(pixels: Thumbnail) -> bytes:
    """Encode a thumbnail; the loss is far below the difference between pictures."""
    wrong_way = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", wrong_way, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _signed(value: int) -> int:
    return value - _MODULUS if value >= _SIGN else value
