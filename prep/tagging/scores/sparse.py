"""The scores of images that matter, without the thousands that are next to nothing.

Of 10,861 scores of an image a hundred or so are above 0.05. They are found once, and all questions
about thresholds are asked of them: 0.5 kB an image instead of 22. What is below is summed up by one
number for each kind of tag, the highest of the rest, so that even the widest gap between scores is
found exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.score_blobs import Halves, Integers, pack_tops, unpack_tops
from prep.tagging.models.tables import CHARACTER, RATING, TagTable

FLOOR = 0.05
"""Lower scores are not kept here; thresholds below it are answered from the whole scores."""
GROUPS = 2
"""Kinds of tags that are cut apart from each other: characters, and all others."""
NONE = -1.0
"""Stands for the highest of the rest where there is no rest."""

Bits = NDArray[np.bool_]


def groups_of(table: TagTable) -> Integers:
    """Return the kind of each column: 1 for characters, 0 for others, -1 for ratings."""
    return np.where(table.kinds == CHARACTER, 1, np.where(table.kinds == RATING, -1, 0))


def ordered_bits(scores: Halves) -> NDArray[np.int16]:
    """Return numbers that compare as the scores do, and a hundred times faster.

    Positive float16 are in the order of their bits, and all of them above negative ones.
    """
    return scores.view(np.int16)


@dataclass(frozen=True)
class Sparse:
    """The scores of some images that are at or above a floor; those of ratings always.

    Attributes:
        images: How many.
        rows: For each score the place of its image, ascending; shape (scores,).
        columns: The place of its tag in the table, ascending within an image.
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
        """Find the scores that matter.

        Args:
            matrix: Shape (images, tags).
            table: What the columns mean.
            floors: From which score on a score matters; one, or one for each column.
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
                # As numbers of 16 bits, since numpy compares float16 one by one.
                bits = np.ascontiguousarray(rest[:, part]).view(np.int16).max(axis=1)
                rests[:, group] = np.where(bits < 0, np.float16(NONE), bits.view(np.float16))
        return cls(len(scores), rows, columns, scores.ravel()[found], rests)

    def packed(self, width: int) -> list[bytes]:
        """Return one blob for each image, for ``unpacked``; ``width`` is that of the table."""
        return pack_tops(self.bounds, self.columns, self.values, self.rests, width)

    @classmethod
    def unpacked(cls, blobs: Sequence[bytes], width: int) -> "Sparse":
        """Read what ``packed`` wrote."""
        return cls(len(blobs), *unpack_tops(blobs, GROUPS, width))

    @cached_property
    def bounds(self) -> Integers:
        """Where the scores of each image begin, and where the last ends; shape (images + 1,)."""
        return np.searchsorted(self.rows, np.arange(self.images + 1))

    def at(self, rows: Integers, columns: Integers, width: int) -> NDArray[np.float32]:
        """Return single scores; NaN where they are below the floor.

        Args:
            rows: Places of images.
            columns: Places of tags; -1 for a tag that the table lacks.
            width: Of the table.
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
