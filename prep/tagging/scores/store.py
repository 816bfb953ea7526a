"""Tagger scores: every score of every image is stored once, and thresholds are applied later.

10,861 scores of an image take 22 kB as float16, and trying another threshold needs no inference.
Scores belong to a tagger (hash of its files) and a content (hash of the image file), so copies
share them and nothing is ever stale. float16 moves a score near 0.35 by at most 0.00013.

Beside the complete scores, the sparse ones (``sparse``) are stored: thresholds are tried on them,
which reads a fiftieth of the bytes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from prep.dataset.index import Index
from prep.dataset.values.embeddings import Embeddings
from prep.dataset.values.score_blobs import PORTION, Halves, Integers, ScoreBlobs, tagger_id
from prep.dataset.writer import batches
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.thresholds import Thresholds as Thresholds

Matrix = NDArray[np.floating[Any]]
TagOrder = Literal["score", "table"]


@dataclass(frozen=True)
class TaggerResult:
    """The result of a tagger for one image.

    Attributes:
        rating: Booru name of the most likely rating; empty if the tagger has no ratings.
        tags: Booru names with their scores, without ratings.
    """

    rating: str
    tags: list[tuple[str, float]]


class ScoreStore:
    """The scores of one tagger in the cache of a project."""

    def __init__(self, index: Index, key: str, table: TagTable) -> None:
        """Open the scores of a tagger; a new tagger is registered with its table.

        Args:
            index: Open index of the project.
            key: From ``TaggerFiles.key``.
            table: Tags of the scores.
        """
        self._table = table
        tagger = tagger_id(index.connection, key, table.names, table.categories)
        self._blobs = ScoreBlobs(index.connection, tagger, len(table))
        self.embeddings = Embeddings(index.connection, tagger)
        """Features of the same pictures, if the tagger gives any."""

    def known(self) -> set[str]:
        """Return the contents that have scores."""
        return self._blobs.contents()

    def put(self, items: Iterable[tuple[str, Matrix]]) -> None:
        """Store the scores (shape (tags,)) of contents."""
        for part in batches(items, PORTION):
            matrix = np.array([scores for _, scores in part]).astype(np.float16, copy=False)
            self._blobs.put([content for content, _ in part], matrix, self._tops(matrix))

    def _tops(self, matrix: Halves) -> list[bytes]:
        return Sparse.of(matrix, self._table).packed(len(self._table))

    def load(self, contents: Sequence[str]) -> Halves:
        """Return the scores of contents, shape (contents, tags), in that order.

        Raises:
            KeyError: One of them has no scores.
        """
        return self._blobs.load(contents)

    def each(self, contents: Iterable[str]) -> Iterator[tuple[str, Halves]]:
        """Yield (content, scores) of those that have scores, in any order; shape (tags,)."""
        return self._blobs.each(contents)

    def sparse(self, contents: Sequence[str], floors: Halves | float = FLOOR) -> Sparse:
        """Return the sparse scores of contents, in that order.

        Args:
            contents: A few thousand hashes; each takes 0.5 kB of memory.
            floors: Minimum of scores that matter; one for all, or one per column. Floors below
                ``FLOOR`` read the complete scores.

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
        for part in batches(missing, PORTION):  # stored by a version without sparse scores
            tops = self._tops(self.load(part))
            self._blobs.put_tops(part, tops)
            found |= dict(zip(part, tops, strict=True))
        return Sparse.unpacked([found[content] for content in contents], len(self._table))

    def at(self, contents: Sequence[str], columns: Integers) -> NDArray[np.float32]:
        """Return single scores, one for each content and column, however low they are."""
        return self._blobs.at(contents, columns)


def joined(parts: Sequence[Sparse]) -> Sparse:
    """Concatenate the scores of several portions of images."""
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
