"""How two ways to select tags differ over a dataset: by thresholds or by taggers."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from prep.dataset.values.score_blobs import Integers
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.ensemble import Ensemble, Portion
from prep.tagging.scores.thresholding import ScorePairs

Counts = NDArray[np.int64]


@dataclass
class Contrast:
    """The tags selected by both ways, and by only one of them.

    Attributes:
        table: The tags.
        most: Number of images whose differences are kept: those that differ most.
        both: Number of images in which both ways select a tag; shape (tags,).
        first: The same for only the first way.
        second: The same for only the second way.
        images: Number of compared images.
        losing: Images in which the first way selects tags that the second does not.
        gaining: Images in which the second selects tags that the first does not.
        changed: Images in which the two differ.
    """

    table: TagTable
    most: int = 0
    both: Counts = field(init=False)
    first: Counts = field(init=False)
    second: Counts = field(init=False)
    images: int = 0
    losing: int = 0
    gaining: int = 0
    changed: int = 0
    _heap: list[tuple[int, int, int, list[int], list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.both, self.first, self.second = np.zeros((3, len(self.table)), np.int64)

    def add(self, count: int, first: ScorePairs, second: ScorePairs) -> None:
        """Count some images.

        Args:
            count: Number of images.
            first: Tags that the first way selects.
            second: Tags that the second way selects.
        """
        width = max(1, len(self.table))
        spots = [pairs.rows * width + pairs.columns for pairs in (first, second)]
        common = np.isin(spots[0], spots[1], assume_unique=True)
        new = ~np.isin(spots[1], spots[0], assume_unique=True)
        lost = first.only(~common)
        gained = second.only(new)
        self.both += self._tally(first.columns[common])
        self.first += self._tally(lost.columns)
        self.second += self._tally(gained.columns)
        losses, gains = (np.bincount(p.rows, minlength=count) for p in (lost, gained))
        self.losing += int(np.count_nonzero(losses))
        self.gaining += int(np.count_nonzero(gains))
        self.changed += int(np.count_nonzero(losses + gains))
        if self.most:
            self._keep(losses + gains, common, first, lost, gained)
        self.images += count

    def _tally(self, columns: Integers) -> Counts:
        return np.bincount(columns, minlength=len(self.table)).astype(np.int64)

    def _keep(
        self,
        changes: Integers,
        common: NDArray[np.bool_],
        first: ScorePairs,
        lost: ScorePairs,
        gained: ScorePairs,
    ) -> None:
        worst = np.argsort(-changes, kind="stable")[: self.most]
        both = np.bincount(first.rows[common], minlength=len(changes))
        for row in worst[changes[worst] > 0].tolist():
            columns = [pairs.columns[pairs.rows == row].tolist() for pairs in (lost, gained)]
            # On ties, the earlier ones stay.
            entry = (int(changes[row]), -(self.images + row), int(both[row]), *columns)
            keep = heapq.heappush if len(self._heap) < self.most else heapq.heappushpop
            keep(self._heap, entry)

    def worst(self) -> Iterator[tuple[int, int, list[str], list[str]]]:
        """Yield the images that differ most: (index, tags of both, only first, only second)."""
        for _, place, both, first, second in sorted(self._heap, reverse=True):
            names = self.table.names
            yield -place, both, [names[n] for n in first], [names[n] for n in second]

    @property
    def agreement(self) -> float:
        """Share of the selected tags that both ways select, 0 to 1 (Jaccard index)."""
        every = int((self.both + self.first + self.second).sum())
        return int(self.both.sum()) / every if every else 1.0

    def by_difference(self) -> list[int]:
        """Return the columns in which they differ, largest difference first."""
        changes = self.first + self.second
        order = np.argsort(-changes, kind="stable")
        found: list[int] = order[changes[order] > 0].tolist()
        return found


def of_thresholds(
    before: Ensemble, after: Ensemble, contents: Sequence[str], top: tuple[int, int] = (0, 0)
) -> Iterator[Contrast]:
    """Compare two ways of the same taggers; yields the same object as it grows.

    Args:
        before: Thresholds of the first way.
        after: Thresholds of the second, with the same tables.
        contents: Scored contents, in order.
        top: Maximum of tags per image, for each way.
    """
    found = Contrast(before.table)
    yield found
    pairs = zip(before.portions(contents), after.portions(contents), strict=True)
    for old, new in pairs:
        found.add(len(old.contents), old.taken(top[0]), new.taken(top[1]))
        yield found


def of_taggers(both: Ensemble, contents: Sequence[str], most: int, top: int) -> Iterator[Contrast]:
    """Compare the two taggers of an ensemble; yields the same object as it grows.

    Tags known to only one of them say nothing about agreement and are left out.
    """
    found = Contrast(both.table, most)
    yield found
    for portion in both.portions(contents):
        shared = _shared(portion)
        first, second = (portion.by(n).best(top) for n in (0, 1))
        first, second = (pairs.only(shared[pairs.columns]) for pairs in (first, second))
        found.add(len(portion.contents), first, second)
        yield found


def _shared(portion: Portion) -> NDArray[np.bool_]:
    known = np.ones(len(portion.table), bool)
    for view in portion.views:
        known &= np.bincount(view.places, minlength=len(known)) > 0
    return known
