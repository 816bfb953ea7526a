"""Tagger scores: every score of every image is kept once, thresholds are a matter of afterwards.

An image of 10,861 scores costs 22 kB as float16, and trying another threshold costs no inference.
Scores belong to a tagger (hash of its files) and a content (hash of the image file), so copies
share them and nothing is ever stale. float16 moves a score near 0.35 by at most 0.00013.

Beside the whole scores stand those that matter (``sparse``): thresholds are tried on them, which
takes a fiftieth of the bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.dataset.index import Index
from prep.dataset.values.score_blobs import PORTION, Halves, Integers, ScoreBlobs, tagger_id
from prep.dataset.writer import batches
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.thresholds import Thresholds as Thresholds

Matrix = NDArray[np.floating[Any]]
TagOrder = Literal["score", "table"]


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
        self._table = table
        tagger = tagger_id(index.connection, key, table.names, table.categories)
        self._blobs = ScoreBlobs(index.connection, tagger, len(table))

    def known(self) -> set[str]:
        """Return the contents that have scores."""
        return self._blobs.contents()

    def put(self, items: Iterable[tuple[str, Matrix]]) -> None:
        """Store the scores (shape (tags,)) of contents."""
        for part in batches(items, PORTION):
            matrix = np.array([scores for _, scores in part]).astype(np.float16)
            self._blobs.put([content for content, _ in part], matrix, self._tops(matrix))

    def _tops(self, matrix: Halves) -> list[bytes]:
        return Sparse.of(matrix, self._table).packed(len(self._table))

    def load(self, contents: Sequence[str]) -> Halves:
        """Return the scores of contents, shape (contents, tags), in their order.

        Raises:
            KeyError: One of them has no scores.
        """
        return self._blobs.load(contents)

    def each(self, contents: Iterable[str]) -> Iterator[tuple[str, Halves]]:
        """Yield (content, scores) of those that have scores, in any order; shape (tags,)."""
        return self._blobs.each(contents)

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
                for part in batches(contents, PORTION)
            ]
            return joined(parts)
        found = self._blobs.tops(contents)
        missing = list(dict.fromkeys(c for c in contents if c not in found))
        for part in batches(missing, PORTION):  # stored by a version without tops
            tops = self._tops(self.load(part))
            self._blobs.put_tops(part, tops)
            found |= dict(zip(part, tops, strict=True))
        return Sparse.unpacked([found[content] for content in contents], len(self._table))

    def at(self, contents: Sequence[str], columns: Integers) -> NDArray[np.float32]:
        """Return single scores, one for each content and column, however low they are."""
        return self._blobs.at(contents, columns)


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
