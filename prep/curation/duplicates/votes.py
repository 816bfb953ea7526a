"""Which pictures share characteristic patches: the pairs that are worth aligning.

Patches of pictures in the same style have so many neighbours that even finding all close pairs
takes long. So patches are hashed into tables: each table keys them by some of their bits, and only
those with an equal key are compared (locality-sensitive hashing; Indyk and Motwani,
"Approximate Nearest Neighbors", STOC 1998). The loss is measured by
``benchmarks/crop_search.py``.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.patches import MATCHED_BITS, Patches

_TABLES, _BITS, _SEED = 8, 24, 7
_COMMON = 40
"""Occurrences in one table from which a patch says nothing: a plain corner, a logo."""
_UPRIGHT = 20.0
"""Maximum difference in angle, degrees: crops are not rotated."""
_VOTES = 5
"""Minimum of patches that two pictures must share."""
_MOST_CANDIDATES = 12
_AT_ONCE = 1 << 22
"""Votes that are buffered before they are counted."""

Places = NDArray[np.int32]
"""Positions of patches, or keys of them."""
Codes = NDArray[np.int64]
"""Pairs of pictures, the lower position in the upper 32 bits."""


def candidates(patches: Sequence[Patches]) -> list[tuple[int, int]]:
    """Return the pairs of pictures that share several patches, the best few of each picture.

    Args:
        patches: Patches of each picture.

    Returns:
        Positions (first, second), first < second, in ascending order.
    """
    if not any(len(each) for each in patches):
        return []
    count = _Count()
    for votes in _Tables(patches).votes():
        count.add(votes)
    return _best(*count.result())


class _Tables:
    """All patches, and the tables into which they are hashed."""

    def __init__(self, patches: Sequence[Patches]) -> None:
        together = np.concatenate(patches)
        lengths = [len(each) for each in patches]
        self._owners = np.repeat(np.arange(len(patches), dtype=np.int32), lengths)
        self._angles = np.ascontiguousarray(together["angle"])
        self._bits = np.ascontiguousarray(together["bits"])
        self._words = self._bits.view("<u8")

    def votes(self) -> Iterator[Codes]:
        """Yield the pair of pictures of each pair of similar patches, once per pair of patches."""
        bits = np.random.default_rng(_SEED).permutation(8 * self._bits.shape[1])
        earlier: list[Places] = []
        for chosen in bits[: _TABLES * _BITS].reshape(_TABLES, _BITS).tolist():
            order, keys = self._rare(self._keys(chosen))
            for first, second in _meeting(order, keys):
                yield self._alike(first, second, earlier)
            # Patches skipped in a table must count in the next: they get a unique key.
            seen = -1 - np.arange(len(self._bits), dtype=np.int32)
            seen[order] = keys
            earlier.append(seen)

    def _keys(self, chosen: Sequence[int]) -> NDArray[np.uint32]:
        keys = np.zeros(len(self._bits), np.uint32)
        for place, bit in enumerate(chosen):
            column = (self._bits[:, bit >> 3] >> np.uint8(bit & 7)) & np.uint8(1)
            keys |= column.astype(np.uint32) << np.uint32(place)
        return keys

    @staticmethod
    def _rare(keys: NDArray[np.uint32]) -> tuple[Places, NDArray[np.uint32]]:
        """Return the patches that share a key with others, but not too many, sorted by key."""
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
        counts = np.diff(np.append(starts, len(keys)))
        meeting = np.repeat((counts > 1) & (counts <= _COMMON), counts)
        return order[meeting], keys[meeting]

    def _alike(self, first: Places, second: Places, earlier: Sequence[Places]) -> Codes:
        """Keep the pairs of patches that match in all respects and were not compared before."""
        owners = self._owners[first], self._owners[second]
        turned = np.abs((self._angles[first] - self._angles[second] + 180) % 360 - 180)
        good = np.flatnonzero((owners[0] != owners[1]) & (turned < _UPRIGHT))
        first, second = first[good], second[good]
        apart = np.bitwise_count(self._words[first] ^ self._words[second]).sum(axis=1)
        good = np.flatnonzero(apart <= MATCHED_BITS)
        first, second = first[good], second[good]
        new = np.ones(len(first), np.bool_)
        for keys in earlier:
            new &= keys[first] != keys[second]
        one, other = self._owners[first[new]], self._owners[second[new]]
        codes: Codes = np.minimum(one, other).astype(np.int64) << 32 | np.maximum(one, other)
        return codes


def _meeting(order: Places, keys: NDArray[np.uint32]) -> Iterator[tuple[Places, Places]]:
    """Yield all pairs with equal keys, given sorted keys."""
    here, step = np.arange(len(order)), 1
    while len(here):
        here = here[here + step < len(order)]
        here = here[keys[here] == keys[here + step]]
        yield order[here], order[here + step]
        step += 1


class _Count:
    """Counts votes; memory is bounded by the number of different pairs."""

    def __init__(self) -> None:
        self._codes, self._counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
        self._waiting: list[Codes] = []
        self._held = 0

    def add(self, codes: Codes) -> None:
        self._waiting.append(codes)
        self._held += len(codes)
        if self._held > _AT_ONCE:
            self._merge()

    def result(self) -> tuple[Codes, NDArray[np.int64]]:
        self._merge()
        return self._codes, self._counts

    def _merge(self) -> None:
        codes, counts = np.unique(
            np.concatenate(self._waiting or [self._codes[:0]]), return_counts=True
        )
        together = np.concatenate((self._codes, codes))
        self._codes, places = np.unique(together, return_inverse=True)
        weights = np.concatenate((self._counts, counts))
        self._counts = np.bincount(places, weights, len(self._codes)).astype(np.int64)
        self._waiting, self._held = [], 0


def _best(codes: Codes, counts: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Return the pairs with enough votes, if one of the two has few better ones."""
    enough = counts >= _VOTES
    codes, counts = codes[enough], counts[enough]
    taken: dict[int, int] = {}
    found = []
    for code in codes[np.argsort(-counts, kind="stable")].tolist():
        first, second = code >> 32, code & 0xFFFFFFFF
        if min(taken.get(first, 0), taken.get(second, 0)) < _MOST_CANDIDATES:
            found.append((first, second))
            for each in (first, second):
                taken[each] = taken.get(each, 0) + 1
    return sorted(found)
