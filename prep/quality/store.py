"""Measured values, kept in ``cache.db``: once for each content and training size.

Renaming an image costs nothing, copies are measured once, and going back to an earlier resolution
or crop finds what was measured then.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from prep import crops, events
from prep.buckets import Fit
from prep.crops import Rect
from prep.errors import UnreadableError
from prep.index import ImageRow, Index
from prep.parallel import ordered
from prep.quality.measures import VERSION, Values, measure

_BATCH = 64
"""Results saved at once: what an interrupted run loses at most."""
_TABLE = """CREATE TABLE IF NOT EXISTS main.quality(content TEXT NOT NULL, cut TEXT NOT NULL,
    data TEXT NOT NULL, PRIMARY KEY(content, cut)) WITHOUT ROWID"""

Key = tuple[str, str]


@dataclass(frozen=True)
class View:
    """One training image: a part of an image, and how it meets its bucket."""

    row: ImageRow
    rect: Rect
    fit: Fit

    @property
    def key(self) -> Key:
        """Content and cut: all that the values depend on."""
        fit = self.fit
        cut = f"{VERSION} {self.rect.corners} {fit.bucket} {fit.resized} {fit.left} {fit.top}"
        return self.row.content or "", cut


def views(index: Index, rows: Iterable[ImageRow]) -> Iterator[View]:
    """Yield the training images that these readable images make."""
    boxes, buckets = crops.read(index.connection), index.project.buckets
    for row in rows:
        for rect in crops.rects(boxes.get(row.path, ()), (row.width, row.height)):
            yield View(row, rect, buckets.fit(rect.size))


def known(index: Index, wanted: Iterable[View]) -> dict[Key, Values]:
    """Return the values that were measured before, by ``View.key``."""
    with index.connection:
        index.connection.execute(_TABLE)
    found: dict[Key, Values] = {}
    for view in wanted:
        row = index.connection.execute(
            "SELECT data FROM main.quality WHERE content = ? AND cut = ?", view.key
        ).fetchone()
        if row is not None:
            found[view.key] = json.loads(row[0])
    return found


def measured(
    index: Index, wanted: Iterable[View], values: dict[Key, Values]
) -> Iterator[events.Event]:
    """Measure, in threads, what ``values`` lacks; add it there and save it.

    Yields:
        Progress; Skipped for images that cannot be decoded, which are marked in the index.
    """
    missing = {view.key: view for view in wanted if view.key not in values}
    root, throttle = index.project.root, events.Throttle()

    def attempt(view: View) -> Values | UnreadableError:
        row = view.row
        try:
            size = (row.width, row.height)
            return measure(root / row.path, size, view.rect, view.fit, alpha=row.alpha)
        except UnreadableError as error:
            return error

    unsaved: list[tuple[Key, Values]] = []
    try:
        with closing(ordered(attempt, missing.values())) as results:
            for done, (view, result) in enumerate(results, 1):
                if isinstance(result, UnreadableError):
                    yield _given_up(index, view.row, result)
                else:
                    values[view.key] = result
                    unsaved.append((view.key, result))
                if len(unsaved) >= _BATCH:
                    _save(index, unsaved)
                    unsaved = []
                yield from events.tick("measuring", len(missing), throttle, done)
    finally:
        _save(index, unsaved)


def _save(index: Index, results: Iterable[tuple[Key, Values]]) -> None:
    with index.connection:
        index.connection.executemany(
            "INSERT OR REPLACE INTO main.quality VALUES(?, ?, ?)",
            (
                (*key, json.dumps({name: round(value, 5) for name, value in found.items()}))
                for key, found in results
            ),
        )


def _given_up(index: Index, row: ImageRow, error: UnreadableError) -> events.Skipped:
    reason = error.message.removeprefix(f"{Path(row.path).name}: ")
    index.put_error(row.path, reason)
    return events.Skipped(row.path, reason)
