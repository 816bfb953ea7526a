"""Tagger scores: every score of every image is kept once, thresholds are a matter of afterwards.

An image of 10,861 scores costs 22 kB as float16, and trying another threshold costs no inference.
Scores belong to a tagger (hash of its files) and a content (hash of the image file), so copies
share them and nothing is ever stale. float16 moves a score near 0.35 by at most 0.00013.

Beside the whole scores stand those that matter (``sparse``): thresholds are tried on them, which
takes a fiftieth of the bytes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.dataset.index import Index
from prep.dataset.writer import batches
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.sparse import FLOOR, Halves, Integers, Sparse
from prep.tagging.scores.thresholds import Thresholds as Thresholds

Matrix = NDArray[np.floating[Any]]
TagOrder = Literal["score", "table"]

_TOPS = """CREATE TABLE IF NOT EXISTS score_tops(tagger INTEGER NOT NULL, content TEXT NOT NULL,
    data BLOB NOT NULL, PRIMARY KEY(tagger, content)) WITHOUT ROWID"""
_WHOLE = 128
"""Images whose whole scores are in memory at once: 3 MB for 10,861 tags."""


@dataclass(frozen=True)
class TaggerResult:
    """What a tagger saw in one image.

    Attributes:
        rating: Booru name of the likeliest rating; empty when the tagger knows none.
        tags: Booru names with their scores, ratings not among them.
    """

    rating: str
    tags: list[tuple[str, float]]


class ScoreStore:
    """The scores of one tagger in the cache of a project."""

    def __init__(self, index: Index, key: str, table: TagTable) -> None:
        """Open the scores of a tagger; a new tagger is noted with its table.

        Args:
            index: Open index of the project.
            key: From ``TaggerFiles.key``.
            table: What the scores mean.
        """
        self._connection = index.connection
        self._table = table
        body = json.dumps(list(zip(table.names, table.categories, strict=True)))
        with self._connection:
            self._connection.execute(_TOPS)
            self._connection.execute(
                "INSERT OR IGNORE INTO taggers(key, tags) VALUES(?, ?)", (key, body)
            )
        row = self._connection.execute("SELECT id FROM taggers WHERE key = ?", (key,)).fetchone()
        self._tagger: int = row[0]

    def known(self) -> set[str]:
        """Return the contents that have scores."""
        # ``scored`` is in a few pages, the scores in as many as there are images.
        rows = self._connection.execute(
            "SELECT content FROM scored WHERE tagger = ?", (self._tagger,)
        )
        return {content for (content,) in rows}

    def put(self, items: Iterable[tuple[str, Matrix]]) -> None:
        """Store the scores (shape (tags,)) of contents."""
        for part in batches(items, _WHOLE):
            contents = [content for content, _ in part]
            matrix = np.array([scores for _, scores in part]).astype(np.float16)
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO scores VALUES(?, ?, ?)",
                    (
                        (self._tagger, content, row.astype("<f2").tobytes())
                        for content, row in zip(contents, matrix, strict=True)
                    ),
                )
                self._put_tops(contents, matrix)

    def _put_tops(self, contents: Sequence[str], matrix: Halves) -> list[bytes]:
        blobs = Sparse.of(matrix, self._table).packed(len(self._table))
        self._connection.executemany(
            "INSERT OR REPLACE INTO score_tops VALUES(?, ?, ?)",
            ((self._tagger, *item) for item in zip(contents, blobs, strict=True)),
        )
        return blobs

    def load(self, contents: Sequence[str]) -> Halves:
        """Return the scores of contents, shape (contents, tags), in their order.

        Raises:
            KeyError: One of them has no scores.
        """
        found = self._found("scores", contents)
        flat = np.frombuffer(b"".join(found[content] for content in contents), "<f2")
        return flat.reshape(len(contents), len(self._table))

    def sparse(self, contents: Sequence[str], floors: Halves | float = FLOOR) -> Sparse:
        """Return the scores that matter of contents, in their order.

        Args:
            contents: Some thousand; what they have at once in memory is 0.5 kB each.
            floors: From which score on a score matters; one, or one for each column. Floors below
                ``FLOOR`` mean that the whole scores are read.

        Raises:
            KeyError: One of them has no scores.
        """
        if np.min(floors, initial=1.0) < np.float16(FLOOR):
            parts = [
                Sparse.of(self.load(part), self._table, floors)
                for part in batches(contents, _WHOLE)
            ]
            return joined(parts)
        found = self._found("score_tops", contents)
        missing = list(dict.fromkeys(c for c in contents if c not in found))
        for part in batches(missing, _WHOLE):  # stored by a version without tops
            with self._connection:
                found |= dict(zip(part, self._put_tops(part, self.load(part)), strict=True))
        return Sparse.unpacked([found[content] for content in contents], len(self._table))

    def at(self, contents: Sequence[str], columns: Integers) -> NDArray[np.float32]:
        """Return single scores, one for each content and column, however low they are."""
        found = np.empty(len(contents), np.float32)
        for n, (content, column) in enumerate(zip(contents, columns.tolist(), strict=True)):
            row = self._connection.execute(
                "SELECT substr(data, ?, 2) FROM scores WHERE tagger = ? AND content = ?",
                (2 * column + 1, self._tagger, content),
            ).fetchone()
            found[n] = np.frombuffer(row[0], "<f2")[0]
        return found

    def _found(self, table: str, contents: Sequence[str]) -> dict[str, bytes]:
        rows = self._connection.execute(
            f"""SELECT content, data FROM {table} WHERE tagger = ?
            AND content IN (SELECT value FROM json_each(?))""",
            (self._tagger, json.dumps(list(contents))),
        )
        return dict(rows.fetchall())


def joined(parts: Sequence[Sparse]) -> Sparse:
    """Put the scores of portions of images together."""
    starts = np.cumsum([0, *(part.images for part in parts)])
    empty = Sparse.unpacked([], 1)
    return Sparse(
        int(starts[-1]),
        np.concatenate(
            [empty.rows, *(p.rows + start for p, start in zip(parts, starts, strict=False))]
        ),
        np.concatenate([empty.columns, *(part.columns for part in parts)]),
        np.concatenate([empty.values, *(part.values for part in parts)]),
        np.concatenate([empty.rests, *(part.rests for part in parts)]),
    )
