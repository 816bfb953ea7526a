"""One tagger whose scores are in memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prep.tagging.models.tables import TagTable
from prep.tagging.scores.ensemble import Ensemble, EnsembleMember, seen
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.store import ScoreStore, TaggerResult, TagOrder
from prep.tagging.scores.thresholds import Thresholds

Halves = NDArray[np.float16]


class MemoryStore(ScoreStore):
    """Scores in memory; contents are the numbers of rows."""

    def __init__(self, matrix: Halves, table: TagTable) -> None:
        self._matrix, self._table = matrix, table

    def load(self, contents: list[str]) -> Halves:  # type: ignore[override]
        return self._matrix[[int(name) for name in contents]].reshape(-1, len(self._table))

    def sparse(self, contents: list[str], floors: Halves | float = FLOOR) -> Sparse:  # type: ignore[override]
        return Sparse.of(self.load(contents), self._table, floors)

    def known(self) -> set[str]:
        return {str(n) for n in range(len(self._matrix))}


def results(
    scores: NDArray[np.floating[Any]],
    table: TagTable,
    thresholds: Thresholds,
    order: TagOrder = "score",
) -> list[TaggerResult]:
    """Return the tags that one tagger selects, for each row of scores."""
    store = MemoryStore(np.asarray(scores, np.float16), table)
    ensemble = Ensemble([EnsembleMember("one", store, table, thresholds)])
    contents = [str(n) for n in range(len(scores))]
    portions = ensemble.portions(contents)
    return [one for portion in portions for one in seen(portion, thresholds.top, order)]
