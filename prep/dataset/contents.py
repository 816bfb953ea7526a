"""Work on file contents: done once per content, however many images share it.

Results are keyed by content, not path: renaming, moving or copying an image costs nothing, and
a second run only processes new contents.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from prep import events
from prep.dataset.index import ImageRow, Index
from prep.errors import UnreadableError
from prep.system.files import content_hash
from prep.system.parallel import ordered

T = TypeVar("T")

_BATCH = 64
"""Results per transaction: the most that an interrupted run loses."""

USABLE = "LEFT JOIN work.exclusions x ON x.path = i.path WHERE i.error IS NULL AND x.reason IS NULL"


def unread(index: Index) -> list[ImageRow]:
    """Return the usable images whose bytes are not hashed yet."""
    return rows_of(index, f"SELECT i.id FROM images i {USABLE} AND i.content IS NULL")


def rows_of(index: Index, select: str) -> list[ImageRow]:
    """Return the images whose ids a query selects, in its order."""
    return index.rows([number for (number,) in index.connection.execute(select)])


def hash_contents(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Hash the bytes of the images whose content is not known yet.

    Yields:
        Progress; Skipped for files that can no longer be read, which are marked as faulty.
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


def computed_once(
    index: Index,
    what: str,
    rows: Iterable[ImageRow],
    known: Collection[str],
    work: Callable[[Path], T],
    save: Callable[[list[tuple[ImageRow, T]]], None],
) -> Iterator[events.Event]:
    """Do ``work`` on one file of each content that is not yet known, in threads.

    Args:
        index: The index with the images ``rows``.
        what: Name of the stage.
        rows: Images whose contents are hashed.
        known: Contents to skip.
        work: Takes a file; may raise UnreadableError.
        save: Saves a batch of results, also when the run is stopped.

    Yields:
        Progress; Skipped for files that can no longer be read, which are marked as faulty.
    """
    yield from _computed(index, what, _one_each(rows, known), work, save)


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
