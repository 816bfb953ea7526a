"""Heads that detectors have found, in ``cache.db``, by detector and content.

A content has one blob: five float32, little-endian, for each head: left, top, width and height as
fractions of the upright image, and the score. An empty blob says that there are none. Heads of
low scores are stored, too, so that another threshold needs no second look.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Sequence

import numpy as np

from prep.dataset.writer import batches
from prep.images.crops import Box
from prep.images.crops.heads import Head

_NUMBER = np.dtype("<f4")


class HeadValues:
    """The heads found by one detector.

    Attributes:
        threshold: Score from which on its author believes it.
    """

    def __init__(self, connection: sqlite3.Connection, detector: int, threshold: float) -> None:
        """Open them; see ``registered`` and ``latest``."""
        self._connection, self._detector = connection, detector
        self.threshold = threshold

    def contents(self) -> set[str]:
        """Return the contents in which heads were looked for."""
        rows = self._connection.execute(
            "SELECT content FROM heads WHERE detector = ?", (self._detector,)
        )
        return {content for (content,) in rows}

    def put(self, found: Iterable[tuple[str, Sequence[Head]]]) -> None:
        """Store the heads of contents, in one transaction."""
        rows = ((self._detector, content, _packed(heads)) for content, heads in found)
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO heads(detector, content, heads) VALUES(?, ?, ?)", rows
            )

    def load(self, contents: Iterable[str | None], threshold: float) -> dict[str, tuple[Head, ...]]:
        """Return the heads of contents in which they were looked for.

        Args:
            contents: Hashes; repeats and ``None`` are left out.
            threshold: Minimum score.
        """
        found: dict[str, tuple[Head, ...]] = {}
        for part in batches(dict.fromkeys(filter(None, contents))):
            rows = self._connection.execute(
                """SELECT content, heads FROM heads WHERE detector = ?
                AND content IN (SELECT value FROM json_each(?))""",
                (self._detector, json.dumps(part)),
            )
            for content, blob in rows:
                found[content] = tuple(h for h in _unpacked(blob) if h.score >= threshold)
        return found


def registered(
    connection: sqlite3.Connection, key: str, model: str, threshold: float
) -> HeadValues:
    """Return the heads of a detector, which from now on is the latest one of this name.

    Args:
        connection: To the cache.
        key: Of its files and of how they are used.
        model: Name with which it was requested.
        threshold: Its recommended threshold.
    """
    with connection:
        connection.execute(
            """INSERT INTO detectors(key, model, threshold, used) VALUES(?, ?, ?, ?)
            ON CONFLICT(key) DO UPDATE SET model = excluded.model,
            threshold = excluded.threshold, used = excluded.used""",
            (key, model, threshold, time.time()),
        )
        row = connection.execute("SELECT id FROM detectors WHERE key = ?", (key,)).fetchone()
    return HeadValues(connection, row[0], threshold)


def latest(connection: sqlite3.Connection, model: str) -> HeadValues | None:
    """Return the heads of the detector that was last used under a name, if there are any."""
    row = connection.execute(
        "SELECT id, threshold FROM detectors WHERE model = ? ORDER BY used DESC LIMIT 1", (model,)
    ).fetchone()
    return None if row is None else HeadValues(connection, *row)


def _packed(heads: Sequence[Head]) -> bytes:
    values = [(h.box.x, h.box.y, h.box.width, h.box.height, h.score) for h in heads]
    return np.array(values, _NUMBER).tobytes()


def _unpacked(blob: bytes) -> Iterable[Head]:
    for x, y, width, height, score in np.frombuffer(blob, _NUMBER).reshape(-1, 5).tolist():
        yield Head(Box(x, y, width, height), score)
