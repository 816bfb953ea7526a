"""The scores of one tag as a table of numbers, so that ``score:smile>0.6`` need not open blobs.

Scores are kept whole, one blob of some 22 kB per image and tagger. The first question about a tag
reads its two bytes from each of them and keeps the numbers in ``score_values``; from then on only
new scores are read. Where several taggers know the tag, the highest score counts.
"""

import json
import sqlite3
from collections.abc import Iterator
from difflib import get_close_matches

import numpy as np

from prep import captions

_MOST = 10_000
"""Blobs per transaction."""
_TABLES = (
    """CREATE TABLE IF NOT EXISTS score_values(key TEXT NOT NULL, content TEXT NOT NULL,
        value REAL NOT NULL, PRIMARY KEY(key, content)) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS score_values_value ON score_values(key, value)",
    """CREATE TABLE IF NOT EXISTS score_columns(tagger INTEGER NOT NULL, key TEXT NOT NULL,
        seen INTEGER NOT NULL, PRIMARY KEY(tagger, key)) WITHOUT ROWID""",
)


def prepare(connection: sqlite3.Connection, key: str) -> tuple[str, str] | None:
    """Bring the scores of a tag up to date in ``score_values``.

    Args:
        connection: Of the cache.
        key: ``captions.key`` of the tag.

    Returns:
        ``None``, or what is wrong and what to do: nothing is tagged, or no tagger knows the tag.
    """
    taggers = connection.execute("SELECT id, tags FROM taggers").fetchall()
    used = {tagger for tagger, _ in taggers if _newest(connection, tagger)}
    if not used:
        return "no image has been tagged", "Run: shikomi tag PROJECT --model MODEL"
    keys = {
        tagger: [captions.key(name) for name, _ in json.loads(tags)] for tagger, tags in taggers
    }
    knowing = [tagger for tagger in used if key in keys[tagger]]
    if not knowing:
        near = get_close_matches(key, {name for tagger in used for name in keys[tagger]}, 1, 0.6)
        hint = f"Did you mean {near[0].replace(' ', '_')}?" if near else ""
        return f"no tagger that was used knows the tag {key!r}", hint
    for statement in _TABLES:
        connection.execute(statement)
    for tagger in knowing:
        _fill(connection, tagger, key, keys[tagger].index(key))
    return None


def _newest(connection: sqlite3.Connection, tagger: int) -> int:
    """Return the number of the newest score of a tagger, 0 for none."""
    row = connection.execute("SELECT max(id) FROM scored WHERE tagger = ?", (tagger,)).fetchone()
    return row[0] or 0


def _fill(connection: sqlite3.Connection, tagger: int, key: str, column: int) -> None:
    row = connection.execute(
        "SELECT seen FROM score_columns WHERE tagger = ? AND key = ?", (tagger, key)
    ).fetchone()
    seen, newest = (row[0] if row else 0), _newest(connection, tagger)
    if seen >= newest:
        return
    for contents, values in _column(connection, tagger, column, seen):
        with connection:
            connection.executemany(
                "INSERT INTO score_values VALUES(?, ?, ?) ON CONFLICT(key, content)"
                " DO UPDATE SET value = max(value, excluded.value)",
                ((key, content, value) for content, value in zip(contents, values, strict=True)),
            )
    with connection:
        connection.execute(
            "INSERT OR REPLACE INTO score_columns VALUES(?, ?, ?)", (tagger, key, newest)
        )


def _column(
    connection: sqlite3.Connection, tagger: int, column: int, seen: int
) -> Iterator[tuple[list[str], list[float]]]:
    """Yield the scores of one tag that are newer than ``seen``, in portions, as float16 tells."""
    while True:
        rows = connection.execute(
            """SELECT d.id, s.content, substr(s.data, ?, 2) FROM scored d
            JOIN scores s ON s.tagger = d.tagger AND s.content = d.content
            WHERE d.tagger = ? AND d.id > ? ORDER BY d.id LIMIT ?""",
            (2 * column + 1, tagger, seen, _MOST),
        ).fetchall()
        if not rows:
            return
        numbers, contents, parts = zip(*rows, strict=True)
        seen = numbers[-1]
        yield list(contents), np.frombuffer(b"".join(parts), "<f2").astype(float).tolist()
