"""Compares a picture with its candidates: each pair once ever, several at a time."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from numpy.typing import NDArray

from prep.curation.duplicates import hash_store
from prep.curation.duplicates.closer import Pixels, detailed
from prep.curation.duplicates.compared import ComparisonStore, ContentPair
from prep.curation.duplicates.comparison import NOTHING_ALIKE, Comparison, compare
from prep.curation.duplicates.neighbours import turn
from prep.curation.duplicates.similarity import Thumbnail
from prep.dataset.index import ImageRow, Index
from prep.errors import UnreadableError
from prep.system.parallel import ordered, workers

_REMEMBERED, _DETAILED = 1024, 64
"""Thumbnails, and pictures at the size of the closer look, that are held in memory."""
_THREADS, _AT_ONCE = 8, 64
"""Most threads, each of which needs some tens of megabytes, and pairs that wait for one."""


class Candidate(NamedTuple):
    """A picture that may be the same: its position, the transform, and the Hamming distance."""

    position: int
    turn: int
    bits: int


class _Work(NamedTuple):
    """A pair to compare, with what only the thread of the index may read."""

    candidate: Candidate
    first: Thumbnail
    second: Thumbnail


class PairComparer:
    """Compares pictures, given the images that show them, with an open index."""

    def __init__(self, index: Index, rows: Mapping[int, Sequence[ImageRow]]) -> None:
        """Prepare.

        Args:
            index: With thumbnails of all pictures.
            rows: Position -> images with one content.
        """
        self._index, self._rows = index, rows
        self._memory = ComparisonStore(index)
        self.thumbnail = lru_cache(_REMEMBERED)(self._read)
        self._details = lru_cache(_DETAILED)(self._decode)

    def compare(self, position: int, candidates: Sequence[Candidate]) -> list[Comparison]:
        """Return the comparison with each candidate, as stored or new."""
        parts = (candidates[n : n + _AT_ONCE] for n in range(0, len(candidates), _AT_ONCE))
        return [seen for part in parts for seen in self._compare(position, part)]

    def _compare(self, position: int, candidates: Sequence[Candidate]) -> list[Comparison]:
        found = {each: self._memory.get(self._pair(position, each)) for each in candidates}
        work = []
        for each, known in found.items():
            first, second = self.thumbnail(position), self.thumbnail(each.position)
            if known is None and first is not None and second is not None:
                work.append(_Work(each, first, turned_back(second, each.turn)))

        def look(pair: _Work) -> Comparison:
            def details() -> tuple[Pixels, Pixels] | None:
                first, second = self._details(position), self._details(pair.candidate.position)
                if first is None or second is None:
                    return None
                return first, turned_back(second, pair.candidate.turn)

            return compare(pair.first, pair.second, details)

        threads = min(_THREADS, workers(), len(work))
        results = ordered(look, work, threads) if threads > 1 else ((w, look(w)) for w in work)
        for pair, seen in results:
            found[pair.candidate] = seen
            self._memory.put(self._pair(position, pair.candidate), seen)
        return [found[each] or NOTHING_ALIKE for each in candidates]

    def save(self) -> None:
        """Store what is not stored yet."""
        self._memory.save()

    def _pair(self, position: int, candidate: Candidate) -> ContentPair:
        rows = self._rows[position][0], self._rows[candidate.position][0]
        return ContentPair(rows[0].content or "", rows[1].content or "", candidate.turn)

    def _read(self, position: int) -> Thumbnail | None:
        return hash_store.read_thumbnail(self._index, self._rows[position][0].content or "")

    def _decode(self, position: int) -> Pixels | None:
        try:
            return detailed(self._index.project.root / self._rows[position][0].path)
        except UnreadableError:
            return None


def turned_back(pixels: NDArray[Any], number: int) -> NDArray[Any]:
    """Undo a transform: all except the quarter turns are their own inverse."""
    return turn(pixels, {5: 6, 6: 5}.get(number, number))
