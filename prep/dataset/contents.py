"""Work on file contents: done once per content, however many images share it.

Results are keyed by content, not path: renaming, moving or copying an image costs nothing, and
a second run only processes new contents.
"""

from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from prep import events
from prep.dataset.index import ImageRow, Index
from prep.dataset.writer import batches
from prep.errors import UnreadableError
from prep.system.files import content_hash
from prep.system.parallel import ordered

T = TypeVar("T")

_BATCH = 64
"""Results per transaction: the most that an interrupted run loses."""
_PAGE = 512
"""Rows in memory at once: those of 100,000 images, with their captions, take 100 MB."""

USABLE = "LEFT JOIN work.exclusions x ON x.path = i.path WHERE i.error IS NULL AND x.reason IS NULL"


class RowPages:
    """Images by their ids, of which one page of rows is in memory at a time."""

    def __init__(self, index: Index, ids: Iterable[int], *, hashed: bool | None = None) -> None:
        """Name the images.

        Args:
            index: The index; it may be written to between two rows.
            ids: The images.
            hashed: Leave out what a scan meanwhile has made otherwise: images without a hash of
                their content (true), or with one (false).
        """
        self._index, self._hashed = index, hashed
        self._ids = array("q", ids)

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[ImageRow]:
        """Read the rows as they are by then; images that are gone are skipped."""
        for page in batches(self._ids, _PAGE):
            for row in self._index.rows(page):
                if self._hashed in (None, row.content is not None):
                    yield row


def rows_of(index: Index, select: str) -> RowPages:
    """Return the images whose ids a query selects, in its order."""
    return RowPages(index, (number for (number,) in index.connection.execute(select)))


def hash_unread(index: Index) -> Iterator[events.Event]:
    """Hash the bytes of all usable images whose content is not known yet; as ``hash_contents``."""
    ids = index.connection.execute(f"SELECT i.id FROM images i {USABLE} AND i.content IS NULL")
    yield from _hashed(index, (number for (number,) in ids))


def hash_contents(index: Index, rows: Iterable[ImageRow]) -> Iterator[events.Event]:
    """Hash the bytes of the images whose content is not known yet.

    Yields:
        Progress; Skipped for files that can no longer be read, which are marked as faulty.
    """
    yield from _hashed(index, (row.id for row in rows if row.content is None))


def _hashed(index: Index, ids: Iterable[int]) -> Iterator[events.Event]:
    rows = RowPages(index, ids, hashed=False)

    def work(file: Path) -> str:
        try:
            return content_hash(file)
        except OSError as error:
            raise UnreadableError(f"{file.name}: {error.strerror}") from error

    def save(found: list[tuple[ImageRow, str]]) -> None:
        index.put_contents((row.path, content) for row, content in found)

    yield from _computed(index, "reading", rows, work, save)


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
    yield from _computed(index, what, _one_each(index, rows, known), work, save)


def _one_each(index: Index, rows: Iterable[ImageRow], known: Collection[str]) -> RowPages:
    """Return one image for each content that is not known."""
    first: dict[str, int] = {}
    for row in rows:
        if row.content is not None and row.content not in known:
            first.setdefault(row.content, row.id)
    return RowPages(index, first.values(), hashed=True)


def _computed(
    index: Index,
    what: str,
    rows: RowPages,
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
