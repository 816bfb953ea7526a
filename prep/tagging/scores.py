"""Tagger scores: every score of every image is kept once, thresholds are a matter of afterwards.

An image of 10,861 scores costs 22 kB as float16, and trying another threshold costs no inference.
Scores belong to a tagger (hash of its files) and a content (hash of the image file), so copies
share them and nothing is ever stale. float16 moves a score near 0.35 by at most 0.00013.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.index import Index
from prep.tagging.models import CHARACTER, RATING, TagTable

Matrix = NDArray[np.floating[Any]]
Order = Literal["score", "table"]

_LEAST_CHARACTER = 0.15
_MARKS = 500
"""Values per SQL statement; SQLite allows 32,766, older builds 999."""


@dataclass(frozen=True)
class Thresholds:
    """From which score on a tag is taken, by category.

    Attributes:
        general: 0 to 1.
        character: 0 to 1.
        mcut: Use neither, but cut each image's scores in the middle of their widest gap
            (maximum cut thresholding; characters from 0.15 on).
    """

    general: float = 0.35
    character: float = 0.85
    mcut: bool = False

    def __str__(self) -> str:
        return "mcut" if self.mcut else f"general {self.general:g}, character {self.character:g}"


@dataclass(frozen=True)
class Seen:
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
        self._width = len(table)
        body = json.dumps(list(zip(table.names, table.categories, strict=True)))
        with self._connection:
            self._connection.execute(
                "INSERT OR IGNORE INTO taggers(key, tags) VALUES(?, ?)", (key, body)
            )
        row = self._connection.execute("SELECT id FROM taggers WHERE key = ?", (key,)).fetchone()
        self._tagger: int = row[0]

    def known(self) -> set[str]:
        """Return the contents that have scores."""
        rows = self._connection.execute(
            "SELECT content FROM scores WHERE tagger = ? AND length(data) = ?",
            (self._tagger, 2 * self._width),
        )
        return {content for (content,) in rows}

    def put(self, items: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
        """Store the scores (shape (tags,)) of contents."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO scores VALUES(?, ?, ?)",
                ((self._tagger, content, _packed(scores)) for content, scores in items),
            )

    def load(self, contents: Sequence[str]) -> NDArray[np.float16]:
        """Return the scores of contents, shape (contents, tags), in their order.

        Raises:
            KeyError: One of them has no scores.
        """
        found: dict[str, bytes] = {}
        for start in range(0, len(contents), _MARKS):
            part = contents[start : start + _MARKS]
            marks = ",".join("?" * len(part))
            found.update(
                self._connection.execute(
                    f"SELECT content, data FROM scores WHERE tagger = ? AND content IN ({marks})",
                    (self._tagger, *part),
                )
            )
        flat = np.frombuffer(b"".join(found[content] for content in contents), "<f2")
        return flat.reshape(len(contents), self._width)


def _packed(scores: NDArray[np.float32]) -> bytes:
    return scores.astype("<f2").tobytes()


def tags_over(
    scores: Matrix, table: TagTable, thresholds: Thresholds, order: Order = "score"
) -> list[Seen]:
    """Return the tags that reach their threshold, for each row of scores.

    Args:
        scores: Shape (images, tags).
        table: What the columns mean.
        thresholds: A tag is taken when its score equals the threshold (as exactly as the scores
            are kept) or is above.
        order: Best first, or as in the table.
    """
    limits = _limits(scores, table, thresholds).astype(scores.dtype)
    rows, columns = np.nonzero(scores >= limits)
    values = scores[rows, columns]
    if order == "score":
        best_first = np.lexsort((columns, -values, rows))
        rows, columns, values = rows[best_first], columns[best_first], values[best_first]
    tags = [(table.names[c], round(float(v), 4)) for c, v in zip(columns, values, strict=True)]
    bounds = np.searchsorted(rows, np.arange(len(scores) + 1))
    ratings = _ratings(scores, table)
    return [Seen(rating, tags[bounds[n] : bounds[n + 1]]) for n, rating in enumerate(ratings)]


def _limits(scores: Matrix, table: TagTable, thresholds: Thresholds) -> NDArray[np.float32]:
    """Return the threshold of each score, in a shape that broadcasts to that of the scores."""
    fixed = table.limits(thresholds.general, thresholds.character)
    if not thresholds.mcut:
        return fixed
    limits = np.tile(fixed, (len(scores), 1))
    categories = np.array(table.categories)
    for columns, least in (
        (categories == CHARACTER, _LEAST_CHARACTER),
        ((categories != CHARACTER) & (categories != RATING), 0.0),
    ):
        if columns.any():
            limits[:, columns] = np.maximum(_middle_of_widest_gap(scores[:, columns]), least)
    return limits


def _middle_of_widest_gap(scores: Matrix) -> NDArray[np.float32]:
    """Return, for each row, where its sorted scores are farthest apart; shape (rows, 1)."""
    ordered = np.sort(scores.astype(np.float32), axis=1)
    if ordered.shape[1] == 1:
        return ordered
    above = (np.diff(ordered, axis=1).argmax(axis=1) + 1)[:, None]
    middle = np.take_along_axis(ordered, above, 1) + np.take_along_axis(ordered, above - 1, 1)
    return np.asarray(middle / 2, np.float32)


def _ratings(scores: Matrix, table: TagTable) -> list[str]:
    if not len(table.ratings):
        return [""] * len(scores)
    best = table.ratings[scores[:, table.ratings].argmax(axis=1)]
    return [table.names[column] for column in best]
