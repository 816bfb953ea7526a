"""The scores of taggers in ``cache.db``: the layout of blobs, which no other module knows.

``scores`` has one blob for each tagger and content: a float16 for each tag, little-endian, in the
order of the tagger's tags. ``score_tops`` has the few of them that matter, packed by ``pack_tops``.
``scored`` numbers the scores in order of arrival; it takes a few pages, the scores as many as there
are images, so it is used to find contents with scores.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.dataset.writer import batches

Halves = NDArray[np.float16]
Integers = NDArray[np.intp]

PORTION = 128
"""Images whose complete scores are in memory at once: 3 MB for 10,861 tags."""
_COLUMN_PORTION = 10_000
"""Images of which one score is in memory at once."""
_SCORE = np.dtype("<f2")
SCORE_BYTES = _SCORE.itemsize
_ONE = f"substr(data, ?, {SCORE_BYTES})"
"""The SQL of one score of a blob."""


@dataclass(frozen=True)
class TaggerColumns:
    """The tags of a tagger's scores.

    Attributes:
        id: Number of the tagger in the other tables; newer taggers have higher ones.
        key: Hash of its files.
        tags: Tags of the columns, as JSON: reading 10,861 tags takes 5 ms.
    """

    id: int
    key: str
    tags: str

    @cached_property
    def columns(self) -> list[tuple[str, int]]:
        """Booru name and category of each column."""
        return [(name, category) for name, category in json.loads(self.tags)]


def taggers(connection: sqlite3.Connection) -> list[TaggerColumns]:
    """Return all taggers ever used, oldest first."""
    rows = connection.execute("SELECT id, key, tags FROM taggers ORDER BY id")
    return [TaggerColumns(*row) for row in rows]


def tagger_id(
    connection: sqlite3.Connection, key: str, names: Sequence[str], categories: Sequence[int]
) -> int:
    """Return the number of a tagger, registering a new one.

    Args:
        connection: Connection to the cache.
        key: Hash of its files.
        names: Booru name of each column.
        categories: Category of each column.
    """
    select = "SELECT id FROM taggers WHERE key = ?"
    row = connection.execute(select, (key,)).fetchone()
    if row is None:
        tags = json.dumps(list(zip(names, categories, strict=True)))
        with connection:
            connection.execute("INSERT OR IGNORE INTO taggers(key, tags) VALUES(?, ?)", (key, tags))
        row = connection.execute(select, (key,)).fetchone()
    return int(row[0])


def counts(connection: sqlite3.Connection) -> dict[int, int]:
    """Return the number of contents with scores, by number of the tagger."""
    rows = connection.execute("SELECT tagger, count(DISTINCT content) FROM scored GROUP BY tagger")
    return dict(rows.fetchall())


def newest(connection: sqlite3.Connection, tagger: int) -> int:
    """Return the number of the newest score of a tagger, 0 for none."""
    row = connection.execute("SELECT max(id) FROM scored WHERE tagger = ?", (tagger,)).fetchone()
    return row[0] or 0


class ScoreBlobs:
    """The scores of one tagger."""

    def __init__(self, connection: sqlite3.Connection, tagger: int, width: int) -> None:
        """Open the scores.

        Args:
            connection: Connection to the cache.
            tagger: Its number.
            width: Its number of columns.
        """
        self._connection, self._tagger, self._width = connection, tagger, width

    def contents(self) -> set[str]:
        """Return the contents that have scores."""
        rows = self._connection.execute(
            "SELECT content FROM scored WHERE tagger = ?", (self._tagger,)
        )
        return {content for (content,) in rows}

    def put(self, contents: Sequence[str], matrix: Halves, tops: Sequence[bytes]) -> None:
        """Store scores, in one transaction.

        Args:
            contents: Their contents.
            matrix: Shape (contents, columns).
            tops: The scores that matter; see ``pack_tops``.
        """
        blobs = (row.tobytes() for row in np.asarray(matrix, _SCORE))
        with self._connection:
            self._put("scores", contents, blobs)
            self._put("score_tops", contents, tops)

    def put_tops(self, contents: Sequence[str], tops: Sequence[bytes]) -> None:
        """Store the scores that matter of contents whose complete scores are stored."""
        with self._connection:
            self._put("score_tops", contents, tops)

    def _put(self, table: str, contents: Sequence[str], blobs: Iterable[bytes]) -> None:
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {table}(tagger, content, data) VALUES(?, ?, ?)",
            ((self._tagger, *item) for item in zip(contents, blobs, strict=True)),
        )

    def load(self, contents: Sequence[str]) -> Halves:
        """Return the scores of contents, shape (contents, columns), in that order.

        Raises:
            KeyError: One of them has no scores.
        """
        found = dict(self._rows("scores", contents))
        flat = np.frombuffer(b"".join(found[content] for content in contents), _SCORE)
        return flat.reshape(len(contents), self._width)

    def each(self, contents: Iterable[str]) -> Iterator[tuple[str, Halves]]:
        """Yield (content, scores) of contents with scores, in any order; shape (columns,)."""
        for part in batches(contents):
            for content, data in self._rows("scores", part):
                if len(data) == SCORE_BYTES * self._width:
                    yield content, np.frombuffer(data, _SCORE)

    def tops(self, contents: Sequence[str]) -> dict[str, bytes]:
        """Return the scores that matter, for ``unpack_tops``, of those contents that have them."""
        return dict(self._rows("score_tops", contents))

    def _rows(self, table: str, contents: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        return self._connection.execute(
            f"""SELECT content, data FROM {table} WHERE tagger = ?
            AND content IN (SELECT value FROM json_each(?))""",
            (self._tagger, json.dumps(list(contents))),
        )

    def at(self, contents: Sequence[str], columns: Integers) -> NDArray[np.float32]:
        """Return single scores, one for each content and column."""
        found = np.empty(len(contents), np.float32)
        for n, (content, column) in enumerate(zip(contents, columns.tolist(), strict=True)):
            row = self._connection.execute(
                f"SELECT {_ONE} FROM scores WHERE tagger = ? AND content = ?",
                (_place(column), self._tagger, content),
            ).fetchone()
            found[n] = np.frombuffer(row[0], _SCORE)[0]
        return found

    def column(self, column: int, after: int) -> Iterator[tuple[list[str], list[float]]]:
        """Yield contents and their scores in one column, in batches, in order of arrival.

        Args:
            column: The column.
            after: Only scores with higher numbers; see ``newest``.
        """
        while True:
            rows = self._connection.execute(
                f"""SELECT d.id, s.content, {_ONE} FROM scored d
                JOIN scores s ON s.tagger = d.tagger AND s.content = d.content
                WHERE d.tagger = ? AND d.id > ? ORDER BY d.id LIMIT ?""",
                (_place(column), self._tagger, after, _COLUMN_PORTION),
            ).fetchall()
            if not rows:
                return
            numbers, contents, parts = zip(*rows, strict=True)
            after = numbers[-1]
            yield list(contents), np.frombuffer(b"".join(parts), _SCORE).astype(float).tolist()


def _place(column: int) -> int:
    """Return the offset of a score in its blob, for ``_ONE``."""
    return SCORE_BYTES * column + 1


def pack_tops(
    bounds: Integers, columns: Integers, values: Halves, rests: Halves, width: int
) -> list[bytes]:
    """Return one blob per image: its rests, then its scores that matter with their columns.

    Args:
        bounds: Offset of the first score of each image, and the end; shape (images + 1,).
        columns: Columns of the scores that matter.
        values: The scores.
        rests: Summary of all other scores; shape (images, any).
        width: Number of all columns.
    """
    entries = np.empty(len(columns), _entry(width))
    entries["column"], entries["value"] = columns, values
    heads: NDArray[Any] = np.zeros(rests.shape, entries.dtype)
    heads["value"] = rests
    return [
        heads[n].tobytes() + entries[bounds[n] : bounds[n + 1]].tobytes() for n in range(len(rests))
    ]


def unpack_tops(
    blobs: Sequence[bytes], heads: int, width: int
) -> tuple[Integers, Integers, Halves, Halves]:
    """Return the input of ``pack_tops``.

    Args:
        blobs: Blobs of some images.
        heads: Number of rests of each image.
        width: Number of all columns.

    Returns:
        For each score, the index of its image; columns, values and rests.
    """
    entry = _entry(width)
    flat = np.frombuffer(b"".join(blobs), entry)
    lengths = np.fromiter(map(len, blobs), np.intp, len(blobs)) // entry.itemsize
    starts = np.cumsum(lengths) - lengths
    places = starts[:, None] + np.arange(heads)
    kept = np.ones(len(flat), bool)
    kept[places.ravel()] = False
    rows = np.repeat(np.arange(len(blobs)), lengths - heads)
    rests = flat["value"][places].reshape(len(blobs), heads)
    return rows, flat["column"][kept].astype(np.intp), flat["value"][kept], rests


def _entry(width: int) -> np.dtype[Any]:
    return np.dtype([("column", "<u2" if width <= 1 << 16 else "<u4"), ("value", _SCORE)])
