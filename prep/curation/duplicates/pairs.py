"""Find all pairs of 64-bit hashes that nearly agree, exactly, without comparing all with all.

The bits are cut into words. When two hashes differ in at most ``radius`` bits, at least one word
differs in few: with allowances t1, t2, … for the words, ``sum(t + 1) > radius`` is enough
(pigeonhole principle). So it is enough to look up each word with up to t of its bits flipped.
After Norouzi, Punjani and Fleet, "Fast Search in Hamming Space with Multi-Index Hashing" (CVPR
2012); allowances per word after Qin et al., "GPH: Similarity Search in Hamming Space" (ICDE 2018).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.hashes import Hashes

Positions = NDArray[np.int32]

BITS = 64
_BRUTE_FORCE_UP_TO = 1500
_BRUTE_FORCE_FROM_RADIUS = 16
_AT_ONCE = 1 << 18
"""Pairs compared at once: their arrays stay in a processor's cache."""
_LOOK_UP, _COMPARE = 12.0, 4.5
"""Measured cost of looking up one hash and of comparing one pair, ns, to choose the words."""


class HashPairs(NamedTuple):
    """Some pairs: positions ``first`` and ``second``, and the ``bits`` in which they differ."""

    first: Positions
    second: Positions
    bits: NDArray[np.uint8]


@dataclass(frozen=True)
class _Word:
    """Bits ``low`` to ``low + width`` of a hash, of which ``flips`` may differ."""

    low: int
    width: int
    flips: int

    def masks(self) -> Iterator[int]:
        for count in range(self.flips + 1):
            for bits in combinations(range(self.width), count):
                yield sum(1 << bit for bit in bits)

    def of(self, hashes: Hashes) -> NDArray[np.int32]:
        mask = np.uint64((1 << self.width) - 1)
        return ((hashes >> np.uint64(self.low)) & mask).astype(np.int32)


def close_pairs(hashes: Hashes, radius: int, others: Hashes | None = None) -> Iterator[HashPairs]:
    """Yield all pairs that differ in at most ``radius`` bits, each once, in blocks.

    Memory is bounded whatever their number.

    Args:
        hashes: Shape (n,).
        radius: 0 to 64 bits; up to 15 without comparing all with all.
        others: Shape (m,): find pairs between ``hashes`` and these; without it, pairs within
            ``hashes``, each in one order only.
    """
    few = min(len(hashes), len(hashes) if others is None else len(others))
    if few <= _BRUTE_FORCE_UP_TO or radius >= _BRUTE_FORCE_FROM_RADIUS:
        yield from _brute_force(hashes, radius, others)
    else:
        yield from _by_words(hashes, radius, others)


def _brute_force(hashes: Hashes, radius: int, others: Hashes | None) -> Iterator[HashPairs]:
    targets = hashes if others is None else others
    columns = max(1, min(len(targets), _AT_ONCE))
    rows = max(1, _AT_ONCE // columns)
    for top in range(0, len(hashes), rows):
        for left in range(0, len(targets), columns):
            block = hashes[top : top + rows, None] ^ targets[None, left : left + columns]
            bits = np.bitwise_count(block)
            row, column = np.nonzero(bits <= radius)
            bits = bits[row, column]
            first, second = (row + top).astype(np.int32), (column + left).astype(np.int32)
            if others is None:
                later = second > first
                first, second, bits = first[later], second[later], bits[later]
            if len(bits):
                yield HashPairs(first, second, bits)


def _split(radius: int, count: int) -> list[_Word]:
    """Cut 64 bits into ``count`` words with the smallest allowances that miss nothing."""
    widths = [BITS // count + (place < BITS % count) for place in range(count)]
    # Allowances t >= 0 with sum(t + 1) = radius + 1; the first words get the remainder.
    spare = max(0, radius + 1 - count)
    words, low = [], 0
    for place, width in enumerate(widths):
        words.append(_Word(low, width, spare // count + (place < spare % count)))
        low += width
    return words


def _words(radius: int, hashes: int, others: int) -> list[_Word]:
    """Choose the number of words that is cheapest for uniformly distributed hashes."""

    def cost(words: list[_Word]) -> float:
        total = 0.0
        for word in words:
            masks = sum(1 for _ in word.masks())
            total += masks * (hashes * _LOOK_UP + hashes * others / 2**word.width * _COMPARE)
        return total

    # Fewer than three words would need more masks than there are hashes.
    return min((_split(radius, count) for count in (3, 4, 5)), key=cost)


@dataclass(frozen=True)
class _Sorted:
    """Hashes sorted by one of their words; ``starts[k]`` is the offset of word value k."""

    order: Positions
    hashes: Hashes
    keys: NDArray[np.int32]
    starts: Positions

    @classmethod
    def by(cls, word: _Word, hashes: Hashes) -> "_Sorted":
        keys = word.of(hashes)
        order = np.argsort(keys, kind="stable").astype(np.int32)
        keys = keys[order]
        counts = np.bincount(keys, minlength=1 << word.width)
        starts = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
        return cls(order, hashes[order], keys, starts)


def _by_words(hashes: Hashes, radius: int, others: Hashes | None) -> Iterator[HashPairs]:
    words = _words(radius, len(hashes), len(hashes if others is None else others))
    for number, word in enumerate(words):
        left = _Sorted.by(word, hashes)
        right = left if others is None else _Sorted.by(word, others)
        for mask in word.masks():
            for here, there in _candidates(left, right, mask, within=others is None):
                difference = left.hashes[here] ^ right.hashes[there]
                bits = np.bitwise_count(difference)
                close = np.nonzero(bits <= radius)[0]
                if not len(close):
                    continue
                difference = difference[close]
                # A pair that an earlier word has already found is not reported again.
                new = np.ones(len(close), np.bool_)
                for earlier in words[:number]:
                    new &= np.bitwise_count(earlier.of(difference)) > earlier.flips
                close = close[new]
                if len(close):
                    first, second = left.order[here[close]], right.order[there[close]]
                    yield HashPairs(first, second, bits[close])


def _candidates(
    left: _Sorted, right: _Sorted, mask: int, *, within: bool
) -> Iterator[tuple[Positions, Positions]]:
    """Yield indices into ``left`` and ``right`` whose words differ by exactly ``mask``, in parts.

    ``within`` one list, each pair comes once: from the side whose highest bit of ``mask`` is 0.
    """
    if mask and within:
        highest = 1 << (mask.bit_length() - 1)
        places = np.nonzero((left.keys & highest) == 0)[0].astype(np.int32)
        partner = left.keys[places] ^ mask
        first = right.starts[partner]
    else:
        places = np.arange(len(left.keys), dtype=np.int32)
        partner = left.keys ^ mask if mask else left.keys
        first = places + 1 if within else right.starts[partner]
    counts = right.starts[partner + 1] - first
    some = np.nonzero(counts)[0]
    places, first, counts = places[some], first[some], counts[some]
    ends = np.cumsum(counts, dtype=np.int64)
    begin = 0
    while begin < len(counts):
        done = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, done + _AT_ONCE, "right")))
        yield from _spelt_out(places[begin:end], first[begin:end], counts[begin:end])
        begin = end


def _spelt_out(
    places: Positions, first: Positions, counts: Positions
) -> Iterator[tuple[Positions, Positions]]:
    """Yield each index with ``counts`` partners starting at ``first``, in parts of bounded size."""
    if len(counts) == 1:
        # One index may have any number of partners.
        for start in range(0, int(counts[0]), _AT_ONCE):
            size = min(_AT_ONCE, int(counts[0]) - start)
            there = np.arange(size, dtype=np.int32) + (first[0] + start)
            yield np.full(size, places[0], np.int32), there.astype(np.int32)
        return
    ends = np.cumsum(counts, dtype=np.int32)
    # 0, 1, …, count-1 within each run, added to the offset of its partners.
    there = np.arange(ends[-1], dtype=np.int32) + np.repeat(first - (ends - counts), counts)
    yield np.repeat(places, counts), there
