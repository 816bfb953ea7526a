"""Thresholding: which ``sparse`` scores reach their thresholds, computed in numpy."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.score_blobs import Halves, Integers
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.sparse import FLOOR, GROUPS, NONE, Sparse, groups_of
from prep.tagging.scores.thresholds import LEAST_CHARACTER, Thresholds

Exact = Callable[[Integers], Halves]
"""Returns all scores of some images, given by index: shape (images, tags)."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Limits:
    """The threshold of every score of some images.

    Attributes:
        fixed: Threshold per column; shape (tags,).
        moving: Threshold per image and kind of tag, NaN for ``fixed``; shape (images, GROUPS).
        groups: The kind of each column, -1 for columns with a fixed threshold in any case.
    """

    fixed: Halves
    moving: Floats
    groups: Integers

    def at(self, rows: Integers, columns: Integers) -> Floats:
        """Return the thresholds of single scores."""
        fixed = self.fixed[columns].astype(np.float32)
        groups = self.groups[columns]
        moving = self.moving[rows, groups]
        return np.where((groups < 0) | np.isnan(moving), fixed, moving)


def limits_of(sparse: Sparse, table: TagTable, thresholds: Thresholds, exact: Exact) -> Limits:
    """Return the thresholds of images.

    Args:
        sparse: Their scores from ``FLOOR``, or from a lower floor.
        table: Tags of the columns.
        thresholds: The requested thresholds.
        exact: Called for the few images whose widest gap may be below the floor.
    """
    groups = groups_of(table)
    moving = np.full((sparse.images, GROUPS), np.nan, np.float32)
    fixed = thresholds.limits(table)
    if thresholds.mcut:
        for group in range(GROUPS):
            moving[:, group] = _cut(sparse, groups, group, exact)
        moving[:, 1] = np.maximum(moving[:, 1], LEAST_CHARACTER)
        groups = groups.copy()
        groups[list(thresholds.own(table))] = -1
        groups[np.isinf(fixed)] = -1  # what is left out stays out
    # Rounded like stored scores, so that a score can equal its threshold.
    return Limits(fixed, moving.astype(np.float16).astype(np.float32), groups)


def _cut(sparse: Sparse, groups: Integers, group: int, exact: Exact) -> Floats:
    """Return the middle of the widest gap between the scores of one kind, for each image."""
    columns = np.flatnonzero(groups == group)
    if not len(columns):
        return np.full(sparse.images, np.inf, np.float32)
    limits = np.zeros(sparse.images, np.float32)
    own = groups[sparse.columns] == group
    rests = sparse.rests[:, group].astype(np.float32)
    behind = np.flatnonzero(rests != NONE)
    rows = np.concatenate((sparse.rows[own], behind))
    values = np.concatenate((sparse.values[own].astype(np.float32), rests[behind]))
    order = np.lexsort((values, rows))
    rows, values = rows[order], values[order]
    if len(columns) == 1:
        limits[rows] = values
        return limits
    gaps = np.where(rows[1:] == rows[:-1], np.diff(values), -1)
    widest = np.full(sparse.images, -1, np.float32)
    np.maximum.at(widest, rows[1:], gaps)
    places = np.flatnonzero((gaps == widest[rows[1:]]) & (gaps >= 0))
    found, first = np.unique(rows[1:][places], return_index=True)
    below = places[first]
    limits[found] = (values[below] + values[below + 1]) / 2
    # Gaps below the floor are narrower than the floor. If the widest is as narrow, check all.
    doubtful = np.flatnonzero((widest < FLOOR) & (rests != NONE))
    if group == 1:  # in any case: characters below the minimum are never selected
        high = np.full(sparse.images, -1, np.float32)
        np.maximum.at(high, rows, values)
        doubtful = doubtful[high[doubtful] >= LEAST_CHARACTER]
    if len(doubtful):
        limits[doubtful] = middle_of_widest_gap(exact(doubtful)[:, columns])
    return limits


def middle_of_widest_gap(scores: NDArray[np.floating]) -> Floats:
    """Return, for each row, the middle of the widest gap in its sorted scores; shape (rows,)."""
    ordered = np.sort(np.asarray(scores, np.float32), axis=1)
    if ordered.shape[1] == 1:
        return ordered[:, 0]
    above = (np.diff(ordered, axis=1).argmax(axis=1) + 1)[:, None]
    middle = np.take_along_axis(ordered, above, 1) + np.take_along_axis(ordered, above - 1, 1)
    return np.asarray(middle / 2, np.float32)[:, 0]


@dataclass(frozen=True)
class ScorePairs:
    """Some scores of some images, with their thresholds; sorted by image, then by column.

    Attributes:
        rows: Index of the image.
        columns: Column of the tag.
        scores: 0 to 1.
        limits: Threshold of the tag.
    """

    rows: Integers
    columns: Integers
    scores: Floats
    limits: Floats

    def only(self, kept: NDArray[np.bool_] | Integers) -> "ScorePairs":
        """Return a subset of the pairs."""
        return ScorePairs(self.rows[kept], self.columns[kept], self.scores[kept], self.limits[kept])

    def best(self, count: int) -> "ScorePairs":
        """Return the best ``count`` of each image; all for 0."""
        if not count or not len(self.rows):
            return self
        order = np.lexsort((self.columns, -self.scores, self.rows))
        rows = self.rows[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        return self.only(np.sort(order[rank < count]))
