"""What comparisons of two pictures said, remembered by their contents in ``cache.db``.

Looking closer takes some hundredths of a second per pair, and the same pairs come up in each run.
"""

import struct
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeVar

from prep.curation.duplicates import overlaps
from prep.curation.duplicates.overlaps import Overlap, OverlapBox
from prep.curation.duplicates.similarity import VERSION, Comparison
from prep.dataset.index import Index

_BATCH = 256
_TABLE = f"compared_{VERSION}"
"""Other rules of comparison make other answers: they have a table of their own."""
_OVERLAPS = f"overlaps_{VERSION}_{overlaps.VERSION}"
Key = TypeVar("Key")


class ContentPair(NamedTuple):
    """Two contents, and the turn that leads from the first to the second."""

    first: str
    second: str
    turn: int


class ComparisonStore:
    """The comparisons of one index."""

    def __init__(self, index: Index) -> None:
        """Open it."""
        self._connection = index.connection
        self._new: dict[ContentPair, Comparison] = {}
        with self._connection:
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_TABLE}(first TEXT NOT NULL, second TEXT NOT NULL,"
                " turn INTEGER NOT NULL, difference REAL NOT NULL, area REAL NOT NULL,"
                " overlay INTEGER NOT NULL, recoloured INTEGER NOT NULL,"
                " PRIMARY KEY(first, second, turn)) WITHOUT ROWID"
            )

    def get(self, pair: ContentPair) -> Comparison | None:
        """Return what is known of a pair."""
        if pair in self._new:
            return self._new[pair]
        row = self._connection.execute(
            f"SELECT difference, area, overlay, recoloured FROM {_TABLE}"
            " WHERE first = ? AND second = ? AND turn = ?",
            pair,
        ).fetchone()
        if row is None:
            return None
        difference, area, overlay, recoloured = row
        return Comparison(difference, area, overlay, bool(recoloured))

    def put(self, pair: ContentPair, seen: Comparison) -> None:
        """Remember a comparison; ``save`` writes the last ones."""
        self._new[pair] = seen
        if len(self._new) >= _BATCH:
            self.save()

    def save(self) -> None:
        """Write what is not written yet."""
        with self._connection:
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {_TABLE} VALUES(?, ?, ?, ?, ?, ?, ?)",
                (
                    (*pair, seen.difference, seen.area, seen.overlay, seen.recoloured)
                    for pair, seen in self._new.items()
                ),
            )
        self._new.clear()


class OverlapStore:
    """What pairs of pictures have in common, as crops of one source do."""

    def __init__(self, index: Index) -> None:
        """Open it."""
        self._connection = index.connection
        with self._connection:
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {_OVERLAPS}(first TEXT NOT NULL,"
                " second TEXT NOT NULL, boxes BLOB NOT NULL,"
                " PRIMARY KEY(first, second)) WITHOUT ROWID"
            )

    def of(self, pairs: Mapping[Key, tuple[str, str]]) -> dict[Key, Overlap | None]:
        """Return what is known of pairs of contents, under the keys that they have here.

        Values are ``None`` for pairs that have nothing in common; pairs that were never compared
        are left out.
        """
        found: dict[Key, Overlap | None] = {}
        for key, (first, second) in pairs.items():
            row = self._connection.execute(
                f"SELECT boxes FROM {_OVERLAPS} WHERE first = ? AND second = ?",
                (min(first, second), max(first, second)),
            ).fetchone()
            if row is not None:
                overlap = _unpacked(row[0])
                found[key] = overlap.turned_round if overlap and first > second else overlap
        return found

    def put(self, seen: Iterable[tuple[str, str, Overlap | None]]) -> None:
        """Remember what pairs of contents have in common."""
        rows = []
        for first, second, overlap in seen:
            turned = overlap.turned_round if overlap and first > second else overlap
            boxes = struct.pack("<8d", *turned.first, *turned.second) if turned else b""
            rows.append((min(first, second), max(first, second), boxes))
        with self._connection:
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {_OVERLAPS} VALUES(?, ?, ?)", rows
            )


def _unpacked(boxes: bytes) -> Overlap | None:
    if not boxes:
        return None
    values = struct.unpack("<8d", boxes)
    return Overlap(OverlapBox(*values[:4]), OverlapBox(*values[4:]))
