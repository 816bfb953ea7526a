"""Candidate pairs: pictures whose hashes are close, in any orientation.

Works on arrays of hashes, so that a million pictures fit in memory;
``prep.curation.duplicates.comparison`` decides which candidates really are the same.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.hashes import Hashes, transposed
from prep.curation.duplicates.pairs import HashPairs, Positions, close_pairs

TURNS = (
    "",
    "mirrored",
    "flipped top to bottom",
    "rotated by 180°",
    "rotated by 90° and mirrored",
    "rotated by 90° to the left",
    "rotated by 90° to the right",
    "rotated by 90° and flipped",
)
"""Transforms from one picture to another; the number of a turn is its index here."""
UPRIGHT, MIRRORED = 0, 1
_ACROSS = 4
"""Index from which width and height are swapped."""
_TOP_DOWN, _RIGHT_LEFT = frozenset({2, 3, 5, 7}), frozenset({1, 3, 6, 7})
"""Axes that are reversed after that."""
_MOST_PAIRS = 4_000_000
"""Maximum of pairs of hash values in memory, per turn: about 40 MB."""
_CROWDED = 64
"""Number of neighbours above which a hash value may lose its farther ones if memory is short."""


def turn(pixels: NDArray[Any], number: int) -> NDArray[Any]:
    """Transform an array of pixels, shape (height, width, …); see ``TURNS``."""
    if number >= _ACROSS:
        pixels = pixels.swapaxes(0, 1)
    if number in _TOP_DOWN:
        pixels = pixels[::-1]
    if number in _RIGHT_LEFT:
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def relative(first: int, second: int) -> int:
    """Return the turn from a picture in turn ``first`` to the same in turn ``second``.

    Example:
        >>> TURNS[relative(MIRRORED, UPRIGHT)], TURNS[relative(5, 3)]
        ('mirrored', 'rotated by 90° to the left')
    """
    picture = np.arange(6).reshape(2, 3)
    here, there = turn(picture, first), turn(picture, second)
    return next(n for n in range(len(TURNS)) if np.array_equal(turn(here, n), there))


@cache
def joined(first: int, second: int) -> int:
    """Return the turn that is two turns one after the other.

    Example:
        >>> TURNS[joined(MIRRORED, MIRRORED)], TURNS[joined(5, 3)]
        ('', 'rotated by 90° to the right')
    """
    return relative(relative(first, UPRIGHT), second)


class Candidates(NamedTuple):
    """Pictures that may be the same: positions, turns, and Hamming distances."""

    positions: Positions
    turns: NDArray[np.uint8]
    bits: NDArray[np.uint8]

    def only(self, which: NDArray[Any]) -> "Candidates":
        """Return those selected by a mask or by indices."""
        return Candidates(self.positions[which], self.turns[which], self.bits[which])


class Neighbours:
    """The candidates of each picture among n pictures.

    Attributes:
        crowded: There were too many pairs: pictures with very many neighbours have only the
            nearest of them.
    """

    def __init__(self, hashes: Hashes, radius: int, turns: Sequence[int]) -> None:
        """Search all pairs.

        Args:
            hashes: Shape (8, n): in all ``TURNS``; or (4, n), the first four, if the hash of a
                picture with rows and columns swapped is the ``transposed`` one.
            radius: Largest number of bits, 0 to 15.
            turns: Turns to search for; see ``TURNS``.
        """
        upright, of = np.unique(hashes[0], return_inverse=True)
        self._of = of.astype(np.int32)
        self._order = np.argsort(self._of, kind="stable").astype(np.int32)
        self._starts = _starts(self._of, len(upright))
        self._near = {}
        for number in turns:
            mine = hashes[number % len(hashes)]
            if number >= len(hashes):
                mine = transposed(mine)
            self._near[number] = _Near.search(mine, upright, radius, within=number == UPRIGHT)
        self.crowded = any(near.crowded for near in self._near.values())

    def of(self, position: int) -> Candidates:
        """Return the candidates of one picture, never itself, whatever its symmetry."""
        found = []
        for number, near in self._near.items():
            value = int(self._of[position] if number == UPRIGHT else near.of[position])
            targets, bits = near.of_value(value)
            if number == UPRIGHT:
                targets = np.append(targets, np.int32(value))
                bits = np.append(bits, np.uint8(0))
            members = [self._order[self._starts[t] : self._starts[t + 1]] for t in targets.tolist()]
            if members:
                positions = np.concatenate(members)
                sizes = [len(part) for part in members]
                turns = np.full(len(positions), number, np.uint8)
                found.append(Candidates(positions, turns, np.repeat(bits, sizes)))
        if not found:
            return Candidates(np.empty(0, np.int32), np.empty(0, np.uint8), np.empty(0, np.uint8))
        together = Candidates(*(np.concatenate(part) for part in zip(*found, strict=True)))
        return together.only(together.positions != position)

    def doubtful(self) -> Positions:
        """Return the positions of all pictures that have a candidate or are one."""
        sizes = np.diff(self._starts)
        marked = np.zeros(len(self._of), np.bool_)
        several = sizes > 1
        wanted = several.copy()
        reasons: list[int] = []
        for number, near in self._near.items():
            if number == UPRIGHT:
                wanted[near.targets] = True
                marked |= near.degrees[self._of] > 0
            else:
                # Pictures with the same hash and transformed hash have the same candidates.
                kinds = near.of.astype(np.int64) << 32 | self._of
                for kind in np.unique(kinds[near.degrees[near.of] > 0]).tolist():
                    targets, _ = near.of_value(kind >> 32)
                    # A picture that is its own mirror image is not its own candidate.
                    if ((sizes[targets] > 1) | (targets != kind & 0xFFFFFFFF)).any():
                        reasons.append(kind)
                        wanted[targets] = True
                marked |= np.isin(kinds, reasons)
                reasons.clear()
        marked |= wanted[self._of]
        return np.nonzero(marked)[0].astype(np.int32)


class EitherNeighbours:
    """The candidates of each picture by any of several hashes, such as that of its middle.

    Attributes:
        crowded: As of ``Neighbours``.
    """

    def __init__(self, searches: Sequence[Neighbours]) -> None:
        self._searches = searches
        self.crowded = any(search.crowded for search in searches)

    def of(self, position: int) -> Candidates:
        """Return the candidates of one picture, by turn, each with its smallest distance."""
        found = [search.of(position) for search in self._searches]
        together = Candidates(*(np.concatenate(part) for part in zip(*found, strict=True)))
        order = np.lexsort((together.bits, together.positions, together.turns))
        together = together.only(order)
        keys = together.turns.astype(np.int64) << 32 | together.positions
        return together.only(np.unique(keys, return_index=True)[1])

    def doubtful(self) -> Positions:
        """Return the positions of all pictures that have a candidate or are one."""
        found = [search.doubtful() for search in self._searches]
        return np.unique(np.concatenate(found)).astype(np.int32)


@dataclass(frozen=True)
class _Near:
    """Close pairs of hash values for one turn; ``of`` is the value index of each picture."""

    of: Positions
    starts: Positions
    targets: Positions
    bits: NDArray[np.uint8]
    crowded: bool

    @classmethod
    def search(cls, mine: Hashes, upright: Hashes, radius: int, *, within: bool) -> "_Near":
        values, of = np.unique(mine, return_inverse=True)
        found = close_pairs(values, radius) if within else close_pairs(values, radius, upright)
        pairs, crowded = gathered(found, radius, len(values), len(upright))
        first, second, bits = pairs
        if within:
            first, second = np.concatenate((first, second)), np.concatenate((second, first))
            bits = np.concatenate((bits, bits))
        order = np.argsort(first, kind="stable")
        starts = _starts(first, len(values))
        return cls(of.astype(np.int32), starts, second[order], bits[order], crowded)

    @property
    def degrees(self) -> Positions:
        return np.diff(self.starts)

    def of_value(self, value: int) -> tuple[Positions, NDArray[np.uint8]]:
        here = slice(self.starts[value], self.starts[value + 1])
        return self.targets[here], self.bits[here]


def _starts(of: Positions, count: int) -> Positions:
    """Return the offset of each of ``count`` classes, sorted by class."""
    sizes = np.bincount(of, minlength=count)
    return np.concatenate(([0], np.cumsum(sizes))).astype(np.int32)


def gathered(
    blocks: Iterable[HashPairs], radius: int, firsts: int, seconds: int
) -> tuple[HashPairs, bool]:
    """Collect pairs in bounded memory.

    If there are too many for the memory limit, values with very many neighbours lose
    the farther ones; all others keep all of them.

    Returns:
        The pairs, and whether any were dropped.
    """
    kept: list[HashPairs] = []
    count, limit, dense = 0, radius, None
    for block in blocks:
        if dense is not None:
            block = _thinned(block, limit, *dense)
        kept.append(block)
        count += len(block.bits)
        while count > _MOST_PAIRS and limit > 0:
            limit -= 1
            together = _joined(kept)
            dense = _dense(together.first, firsts), _dense(together.second, seconds)
            kept = [_thinned(together, limit, *dense)]
            count = len(kept[0].bits)
    return _joined(kept), limit < radius


def _dense(values: Positions, count: int) -> NDArray[np.bool_]:
    return np.bincount(values, minlength=count) > _CROWDED // 2


def _thinned(
    pairs: HashPairs, limit: int, first: NDArray[np.bool_], second: NDArray[np.bool_]
) -> HashPairs:
    keep = (pairs.bits <= limit) | ~(first[pairs.first] & second[pairs.second])
    return HashPairs(pairs.first[keep], pairs.second[keep], pairs.bits[keep])


def _joined(blocks: Sequence[HashPairs]) -> HashPairs:
    if not blocks:
        nothing = np.empty(0, np.int32)
        return HashPairs(nothing, nothing, np.empty(0, np.uint8))
    return HashPairs(*(np.concatenate(parts) for parts in zip(*blocks, strict=True)))
