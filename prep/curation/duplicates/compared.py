"""Stored results of comparing two pictures, by contents, in ``cache.db``.

A comparison takes a few hundredths of a second, and the same pairs recur in each run.
Other rules of comparison make other answers: what older ones said is not read.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from prep.curation.duplicates import comparison, overlaps, similarity
from prep.curation.duplicates.comparison import Comparison
from prep.curation.duplicates.overlaps import Overlap, OverlapBox
from prep.dataset.index import Index

_BATCH = 256
Key = TypeVar("Key")


class ContentPair(NamedTuple):
    """Two contents, and the transform from the first to the second."""

    first: str
    second: str
    turn: int


class ComparisonStore:
    """The stored comparisons of one index."""

    def __init__(self, index: Index) -> None:
        """Open the store."""
        self._connection = index.connection
        self._version = f"{similarity.VERSION} {comparison.VERSION}"
        self._new: dict[ContentPair, Comparison] = {}

    def get(self, pair: ContentPair) -> Comparison | None:
        """Return the stored comparison of a pair."""
        if pair in self._new:
            return self._new[pair]
        row = self._connection.execute(
            "SELECT difference, area, overlay, recoloured, uncertain FROM comparisons"
            " WHERE first = ? AND second = ? AND turn = ? AND version = ?",
            (*pair, self._version),
        ).fetchone()
        if row is None:
            return None
        difference, area, overlay, recoloured, uncertain = row
        return Comparison(difference, area, overlay, bool(recoloured), bool(uncertain))

    def put(self, pair: ContentPair, seen: Comparison) -> None:
        """Store a comparison; ``save`` flushes the last ones."""
        self._new[pair] = seen
        if len(self._new) >= _BATCH:
            self.save()

    def save(self) -> None:
        """Flush comparisons that are not written yet."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO comparisons VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        *pair,
                        seen.difference,
                        seen.area,
                        seen.overlay,
                        seen.recoloured,
                        seen.uncertain,
                        self._version,
                    )
                    for pair, seen in self._new.items()
                ),
            )
        self._new.clear()


class OverlapStore:
    """The stored overlaps of pairs of pictures, such as crops of one source."""

    def __init__(self, index: Index) -> None:
        """Open the store."""
        self._connection = index.connection
        self._version = f"{similarity.VERSION} {overlaps.VERSION}"

    def of(self, pairs: Mapping[Key, tuple[str, str]]) -> dict[Key, Overlap | None]:
        """Return the stored overlaps of pairs of contents, by the given keys.

        Values are ``None`` for pairs that have nothing in common; pairs that were never compared
        are omitted.
        """
        found: dict[Key, Overlap | None] = {}
        for key, (first, second) in pairs.items():
            row = self._connection.execute(
                "SELECT boxes FROM overlaps WHERE first = ? AND second = ? AND version = ?",
                (min(first, second), max(first, second), self._version),
            ).fetchone()
            if row is not None:
                overlap = _unpacked(row[0])
                found[key] = overlap.turned_round if overlap and first > second else overlap
        return found

    def put(self, seen: Iterable[tuple[str, str, Overlap | None]]) -> None:
        """Store the overlaps of pairs of contents."""
        rows = []
        for first, second, overlap in seen:
            turned = overlap.turned_round if overlap and first > second else overlap
            boxes = struct.pack("<8d", *turned.first, *turned.second) if turned else b""
            rows.append((min(first, second), max(first, second), boxes, self._version))
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO overlaps VALUES(?, ?, ?, ?)", rows)


def _unpacked(boxes: bytes) -> Overlap | None:
    if not boxes:
        return None
    values = struct.unpack("<8d", boxes)
    return Overlap(OverlapBox(*values[:4]), OverlapBox(*values[4:]))
