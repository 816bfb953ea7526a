"""The scores of one tag as a table of numbers, so that ``score:smile>0.6`` need not open blobs.

Scores are stored as one blob of about 22 kB per image and tagger. The first query about a tag
reads its score from each of them and keeps the numbers in ``score_values``; after that only new
scores are read. If several taggers know the tag, the highest score counts.
"""

import sqlite3
from collections.abc import Sequence
from difflib import get_close_matches

from prep import captions
from prep.dataset.values import score_blobs
from prep.dataset.values.score_blobs import ScoreBlobs, taggers


def prepare(connection: sqlite3.Connection, key: str) -> tuple[str, str] | None:
    """Bring the scores of a tag up to date in ``score_values``.

    Args:
        connection: Connection to the cache.
        key: ``captions.key`` of the tag.

    Returns:
        ``None``, or (fault, fix): nothing is tagged, or no tagger knows the tag.
    """
    newest = {one: score_blobs.newest(connection, one.id) for one in taggers(connection)}
    used = [one for one, number in newest.items() if number]
    if not used:
        return "no image has been tagged", "Run: shikomi tag PROJECT --model MODEL"
    seen = {one: _seen(connection, one.id, key) for one in used}
    behind = [one for one in used if seen[one] < newest[one]]
    keys = {one: [captions.key(name) for name, _ in one.columns] for one in behind}
    knowing = [one for one in behind if key in keys[one]]
    if not knowing and not any(seen.values()):
        near = get_close_matches(key, {name for names in keys.values() for name in names}, 1, 0.6)
        hint = f"Did you mean {near[0].replace(' ', '_')}?" if near else ""
        return f"none of the taggers used knows the tag {key!r}", hint
    for one in knowing:
        blobs = ScoreBlobs(connection, one.id, len(one.columns))
        for contents, values in blobs.column(keys[one].index(key), seen[one]):
            _put(connection, key, contents, values)
        with connection:
            connection.execute(
                "INSERT OR REPLACE INTO score_columns VALUES(?, ?, ?)", (one.id, key, newest[one])
            )
    return None


def _seen(connection: sqlite3.Connection, tagger: int, key: str) -> int:
    """Return the number of the newest score in the table, 0 for none."""
    row = connection.execute(
        "SELECT seen FROM score_columns WHERE tagger = ? AND key = ?", (tagger, key)
    ).fetchone()
    return row[0] if row else 0


def _put(
    connection: sqlite3.Connection, key: str, contents: Sequence[str], values: Sequence[float]
) -> None:
    with connection:
        connection.executemany(
            "INSERT INTO score_values VALUES(?, ?, ?) ON CONFLICT(key, content)"
            " DO UPDATE SET value = max(value, excluded.value)",
            ((key, content, value) for content, value in zip(contents, values, strict=True)),
        )
