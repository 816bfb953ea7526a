"""Hashes of the images of an index: computed once per content, kept in ``cache.db``.

Contents, not paths, own hashes: renaming, moving or copying an image costs nothing, and a second
run only looks at what is new. Each function that computes is a generator of events.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from prep import events
from prep.duplicates.hashes import Hashes, Look, look
from prep.duplicates.likeness import Thumbnail, thumbnail
from prep.errors import UnreadableError
from prep.files import content_hash
from prep.images import decode
from prep.index import ImageRow, Index
from prep.parallel import ordered

T = TypeVar("T")

_BATCH = 64
"""Results saved at once: what an interrupted run loses at most."""
_SIGN, _MODULUS = 1 << 63, 1 << 64
"""SQLite's integers are signed."""
_TABLES = (
    "looks(id INTEGER PRIMARY KEY, content TEXT NOT NULL UNIQUE, upright INTEGER NOT NULL,"
    " mirrored INTEGER NOT NULL, flipped INTEGER NOT NULL, turned INTEGER NOT NULL,"
    " sharpness REAL NOT NULL)",
    "small_pictures(content TEXT PRIMARY KEY, picture BLOB NOT NULL) WITHOUT ROWID",
    "pixels(content TEXT PRIMARY KEY, digest TEXT NOT NULL) WITHOUT ROWID",
)
_WHERE = "LEFT JOIN work.exclusions x ON x.path = i.path WHERE i.error IS NULL AND x.reason IS NULL"
_USABLE = f"FROM images i {_WHERE}"
_USABLE_LOOKS = f"FROM images i JOIN looks l ON l.content = i.content {_WHERE}"


class Looks(NamedTuple):
    """The hashes of n contents: ``ids``, shape (n,), and upright to turned, shape (4, n)."""

    ids: NDArray[np.int64]
    hashes: Hashes


def unread(index: Index) -> list[ImageRow]:
    """Return the usable images whose bytes are not hashed yet."""
    return _rows(index, f"SELECT i.id {_USABLE} AND i.content IS NULL")


def unseen(index: Index) -> list[ImageRow]:
    """Return one usable image for each content that has no perceptual hash yet."""
    _prepare(index)
    return _rows(
        index,
        f"SELECT min(i.id) {_USABLE} AND i.content IS NOT NULL"
        " AND i.content NOT IN (SELECT content FROM looks) GROUP BY i.content",
    )


def _rows(index: Index, select: str) -> list[ImageRow]:
    return index.rows([number for (number,) in index.connection.execute(select)])


def hash_contents(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Hash the bytes of the images whose content is not known yet.

    Yields:
        Progress; Skipped for files that cannot be read any more, and marks them so.
    """
    missing = [row for row in rows if row.content is None]

    def work(file: Path) -> str:
        try:
            return content_hash(file)
        except OSError as error:
            raise UnreadableError(f"{file.name}: {error.strerror}") from error

    def save(found: list[tuple[ImageRow, str]]) -> None:
        index.put_contents((row.path, content) for row, content in found)

    yield from _computed(index, "reading", missing, work, save)


def hash_looks(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Compute the perceptual hashes of contents that have none; events as ``hash_contents``."""
    _prepare(index)
    known = {content for (content,) in index.connection.execute("SELECT content FROM looks")}

    def save(found: list[tuple[ImageRow, Look]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO looks"
                "(content, upright, mirrored, flipped, turned, sharpness) VALUES(?,?,?,?,?,?)",
                (
                    (
                        row.content,
                        *map(_signed, (seen.phash, seen.mirrored, seen.flipped, seen.turned)),
                        seen.sharpness,
                    )
                    for row, seen in found
                ),
            )

    yield from _computed(index, "hashing", _one_each(rows, known), look, save)


def make_thumbnails(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Make the thumbnails that ``likeness`` compares; events as ``hash_contents``."""
    _prepare(index)
    select = "SELECT content FROM small_pictures"
    known = {content for (content,) in index.connection.execute(select)}

    def save(found: list[tuple[ImageRow, bytes]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO small_pictures VALUES(?, ?)",
                ((row.content, data) for row, data in found),
            )

    def work(file: Path) -> bytes:
        return _packed(thumbnail(file))

    yield from _computed(index, "looking closer", _one_each(rows, known), work, save)


def phashes(index: Index) -> dict[str, int]:
    """Return the perceptual hashes that are known, by content."""
    _prepare(index)
    rows = index.connection.execute("SELECT content, upright FROM looks")
    return {content: value % _MODULUS for content, value in rows}


def usable_looks(index: Index) -> Looks:
    """Return the perceptual hashes of all images that are readable and not excluded, as arrays."""
    _prepare(index)
    count = index.connection.execute("SELECT count(*) FROM looks").fetchone()[0]
    table = np.empty((count, 5), np.int64)
    rows = index.connection.execute(
        f"""SELECT id, upright, mirrored, flipped, turned FROM looks
        WHERE content IN (SELECT i.content {_USABLE}) ORDER BY id"""
    )
    found = 0
    for found, row in enumerate(rows, 1):
        table[found - 1] = row
    table = table[:found]
    return Looks(table[:, 0].copy(), table[:, 1:].T.copy().view(np.uint64))


def copied(index: Index) -> list[int]:
    """Return the ids of the looks whose content several usable images have."""
    return [
        number
        for (number,) in index.connection.execute(
            f"SELECT l.id FROM looks l WHERE l.content IN"
            f" (SELECT i.content {_USABLE} GROUP BY i.content HAVING count(*) > 1)"
        )
    ]


def images_of(index: Index, ids: Iterable[int]) -> dict[int, list[ImageRow]]:
    """Return the usable images that have these looks, by the id of the look."""
    connection = index.connection
    with connection:
        connection.execute("CREATE TEMP TABLE IF NOT EXISTS wanted(id INTEGER PRIMARY KEY)")
        connection.execute("DELETE FROM wanted")
        connection.executemany("INSERT INTO wanted VALUES(?)", ((int(each),) for each in set(ids)))
    pairs = connection.execute(
        f"SELECT l.id, i.id {_USABLE_LOOKS} AND l.id IN (SELECT id FROM wanted) ORDER BY i.path"
    ).fetchall()
    rows = index.rows([image for _, image in pairs])
    found: dict[int, list[ImageRow]] = defaultdict(list)
    for (number, _), row in zip(pairs, rows, strict=True):
        found[number].append(row)
    return found


def sharpness_of(index: Index, contents: Collection[str]) -> dict[str, float]:
    """Return the sharpness of these contents; see ``prep.duplicates.hashes.sharpness``."""
    rows = index.connection.execute("SELECT content, sharpness FROM looks")
    return {content: sharp for content, sharp in rows if content in contents}


def read_thumbnail(index: Index, content: str) -> Thumbnail | None:
    """Return a thumbnail that ``make_thumbnails`` has made."""
    row = index.connection.execute(
        "SELECT picture FROM small_pictures WHERE content = ?", (content,)
    ).fetchone()
    if row is None:
        return None
    decoded: Any = cv2.imdecode(np.frombuffer(row[0], np.uint8), cv2.IMREAD_COLOR)
    return None if decoded is None else np.ascontiguousarray(decoded[..., ::-1])


def pixel_digest(index: Index, row: ImageRow) -> str | None:
    """Return a digest of the size and the pixels of an image as people see it.

    It is remembered by content.

    Returns:
        ``None`` when the file cannot be decoded.
    """
    known = index.connection.execute(
        "SELECT digest FROM pixels WHERE content = ?", (row.content,)
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
        index.connection.execute("INSERT INTO pixels VALUES(?, ?)", (row.content, digest))
    return digest


def computed_once(
    index: Index,
    what: str,
    rows: Iterable[ImageRow],
    known: Collection[str],
    work: Callable[[Path], T],
    save: Callable[[list[tuple[ImageRow, T]]], None],
) -> Iterator[events.Event]:
    """Do ``work`` on one file of each content that is not known, in threads.

    Args:
        index: Whose images ``rows`` are.
        what: Name of the stage.
        rows: Images whose contents are hashed.
        known: Contents to leave out.
        work: Takes a file; may raise UnreadableError.
        save: Takes some results at a time, also when the run is stopped.

    Yields:
        Progress; Skipped for files that cannot be read any more, and marks them so.
    """
    yield from _computed(index, what, _one_each(rows, known), work, save)


def _prepare(index: Index) -> None:
    with index.connection:
        for table in _TABLES:
            index.connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")


def _packed(pixels: Thumbnail) -> bytes:
    """Encode a thumbnail: its losses are far below what tells pictures apart."""
    wrong_way = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", wrong_way, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def _one_each(rows: Iterable[ImageRow], known: Collection[str]) -> list[ImageRow]:
    """Return one image for each content that is not known."""
    first: dict[str, ImageRow] = {}
    for row in rows:
        if row.content is not None and row.content not in known:
            first.setdefault(row.content, row)
    return list(first.values())


def _computed(
    index: Index,
    what: str,
    rows: list[ImageRow],
    work: Callable[[Path], T],
    save: Callable[[list[tuple[ImageRow, T]]], None],
) -> Iterator[events.Event]:
    """Do ``work`` on each file in threads and ``save`` the results, also when interrupted."""
    root, throttle = index.project.root, events.Throttle()

    def attempt(row: ImageRow) -> T | UnreadableError:
        try:
            return work(root / row.path)
        except UnreadableError as error:
            return error

    found: list[tuple[ImageRow, T]] = []
    try:
        with closing(ordered(attempt, rows)) as results:
            for done, (row, result) in enumerate(results, 1):
                if isinstance(result, UnreadableError):
                    yield _given_up(index, row, result)
                else:
                    found.append((row, result))
                if len(found) >= _BATCH:
                    save(found)
                    found = []
                yield from events.tick(what, len(rows), throttle, done)
    finally:
        save(found)


def _given_up(index: Index, row: ImageRow, error: UnreadableError) -> events.Skipped:
    reason = error.message.removeprefix(f"{Path(row.path).name}: ")
    index.put_error(row.path, reason)
    return events.Skipped(row.path, reason)


def _signed(value: int) -> int:
    return value - _MODULUS if value >= _SIGN else value
