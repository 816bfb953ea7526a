"""Sparse scores: those that matter, without the thousands near zero.

Of 10,861 scores of an image, about a hundred are above 0.05. They are extracted once, and all
thresholds are evaluated on them: 0.5 kB per image instead of 22. Lower scores are reduced to one
number per kind of tag, the highest of the rest, so that even the widest gap between scores is
found exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.score_blobs import Halves, Integers, pack_tops, unpack_tops
from prep.tagging.models.tables import CHARACTER, NO_TAG, RATING, TagTable

FLOOR = 0.05
"""Lower scores are omitted; thresholds below it are evaluated on the complete scores."""
GROUPS = 2
"""Number of kinds of tags with separate cuts: characters, and all others."""
NONE = -1.0
"""Highest of the rest if there is no rest."""

Bits = NDArray[np.bool_]


def groups_of(table: TagTable) -> Integers:
    """Return the kind of each column: 1 for characters, -1 for ratings and no tags, else 0."""
    others = np.isin(table.kinds, (RATING, NO_TAG))
    return np.where(table.kinds == CHARACTER, 1, np.where(others, -1, 0))


def ordered_bits(scores: Halves) -> NDArray[np.int16]:
    """Return integers in the order of the scores, which compare a hundred times faster.

    Positive float16 values sort like their bits, above all negative ones.
    """
    return scores.view(np.int16)


@dataclass(frozen=True)
class Sparse:
    """The scores of some images at or above a floor, and all scores of ratings.

    Attributes:
        images: Number of images.
        rows: Image index of each score, ascending; shape (scores,).
        columns: Column of each score in the table, ascending within an image.
        values: The scores, 0 to 1.
        rests: The highest score below the floor, or ``NONE``, by image and kind of tag; shape
            (images, GROUPS).
    """

    images: int
    rows: Integers
    columns: Integers
    values: Halves
    rests: Halves

    @classmethod
    def of(cls, matrix: NDArray[Any], table: TagTable, floors: Halves | float = FLOOR) -> "Sparse":
        """Extract the scores that matter.

        Args:
            matrix: Shape (images, tags).
            table: Tags of the columns.
            floors: Minimum of scores that matter; one for all, or one per column.
        """
        scores = np.ascontiguousarray(matrix, np.float16)
        least = np.full(len(table), floors, np.float16)
        least[table.ratings] = -np.inf
        over = ordered_bits(scores) >= ordered_bits(least)
        over[:, table.ratings] = True
        found = np.flatnonzero(over)
        rows, columns = np.divmod(found, max(1, len(table)))
        rest = np.where(over, np.float16(NONE), scores)
        groups = groups_of(table)
        rests = np.full((len(scores), GROUPS), NONE, np.float16)
        for group in range(GROUPS):
            part = np.flatnonzero(groups == group)
            if len(part):
                # As 16-bit integers, since numpy compares float16 one by one.
                bits = np.ascontiguousarray(rest[:, part]).view(np.int16).max(axis=1)
                rests[:, group] = np.where(bits < 0, np.float16(NONE), bits.view(np.float16))
        return cls(len(scores), rows, columns, scores.ravel()[found], rests)

    def packed(self, width: int) -> list[bytes]:
        """Return one blob per image, for ``unpacked``; ``width`` is that of the table."""
        return pack_tops(self.bounds, self.columns, self.values, self.rests, width)

    @classmethod
    def unpacked(cls, blobs: Sequence[bytes], width: int) -> "Sparse":
        """Read what ``packed`` wrote."""
        return cls(len(blobs), *unpack_tops(blobs, GROUPS, width))

    @cached_property
    def bounds(self) -> Integers:
        """Offset of the first score of each image, and the end; shape (images + 1,)."""
        return np.searchsorted(self.rows, np.arange(self.images + 1))

    def at(self, rows: Integers, columns: Integers, width: int) -> NDArray[np.float32]:
        """Return single scores; NaN where they are below the floor.

        Args:
            rows: Indices of images.
            columns: Columns of tags; -1 for a tag that the table lacks.
            width: Width of the table.
        """
        known = self.rows * width + self.columns
        wanted = rows * width + columns
        places = np.searchsorted(known, wanted)
        places[places == len(known)] = 0
        found = np.full(len(wanted), np.nan, np.float32)
        if len(known):
            hit = (known[places] == wanted) & (columns >= 0)
            found[hit] = self.values[places[hit]]
        return found
