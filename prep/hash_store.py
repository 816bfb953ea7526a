"""Hashes of the images of an index: computed once per content, kept in ``cache.db``.

Contents, not paths, own hashes: renaming, moving or copying an image costs nothing, and a second
run only looks at what is new. Each function that computes is a generator of events.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np

from prep import events
from prep.errors import UnreadableError
from prep.files import content_hash
from prep.hashes import Look, look
from prep.index import ImageRow, Index
from prep.likeness import SIDE, Thumbnail, thumbnail
from prep.parallel import ordered

T = TypeVar("T")

_BATCH = 64
"""Results saved at once: what an interrupted run loses at most."""
_SIGN, _MODULUS = 1 << 63, 1 << 64
"""SQLite's integers are signed."""


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
    known = {content for (content,) in index.connection.execute("SELECT content FROM hashes")}

    def save(found: list[tuple[ImageRow, Look]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO hashes VALUES(?, ?, ?, ?)",
                (
                    (row.content, _signed(seen.phash), _signed(seen.mirrored), seen.sharpness)
                    for row, seen in found
                ),
            )

    yield from _computed(index, "hashing", _one_each(rows, known), look, save)


def make_thumbnails(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Make the grey thumbnails that ``likeness`` compares; events as ``hash_contents``."""
    with index.connection:
        index.connection.execute(
            "CREATE TABLE IF NOT EXISTS thumbnails("
            "content TEXT PRIMARY KEY, grey BLOB NOT NULL) WITHOUT ROWID"
        )
    known = {content for (content,) in index.connection.execute("SELECT content FROM thumbnails")}

    def save(found: list[tuple[ImageRow, Thumbnail]]) -> None:
        with index.connection:
            index.connection.executemany(
                "INSERT OR REPLACE INTO thumbnails VALUES(?, ?)",
                ((row.content, grey.tobytes()) for row, grey in found),
            )

    yield from _computed(index, "comparing", _one_each(rows, known), thumbnail, save)


def looks(index: Index) -> dict[str, Look]:
    """Return the perceptual hashes that are known, by content."""
    rows = index.connection.execute("SELECT content, phash, mirrored, sharpness FROM hashes")
    return {
        content: Look(upright % _MODULUS, mirrored % _MODULUS, sharpness)
        for content, upright, mirrored, sharpness in rows
    }


def read_thumbnail(index: Index, content: str) -> Thumbnail | None:
    """Return a thumbnail that ``make_thumbnails`` has made."""
    row = index.connection.execute(
        "SELECT grey FROM thumbnails WHERE content = ?", (content,)
    ).fetchone()
    return None if row is None else np.frombuffer(row[0], np.uint8).reshape(SIDE, SIDE)


def _one_each(rows: Iterable[ImageRow], known: set[str]) -> list[ImageRow]:
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
