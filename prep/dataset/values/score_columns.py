"""The scores of one tag as a table of numbers, so that ``score:smile>0.6`` need not open blobs.

Scores are kept whole, one blob of some 22 kB per image and tagger. The first question about a tag
reads its score from each of them and keeps the numbers in ``score_values``; from then on only new
scores are read. Where several taggers know the tag, the highest score counts.
"""

import sqlite3
from difflib import get_close_matches

from prep import captions
from prep.dataset.values.score_blobs import ScoreBlobs, taggers


def prepare(connection: sqlite3.Connection, key: str) -> tuple[str, str] | None:
    """Bring the scores of a tag up to date in ``score_values``.

    Args:
        connection: Of the cache.
        key: ``captions.key`` of the tag.

    Returns:
        ``None``, or what is wrong and what to do: nothing is tagged, or no tagger knows the tag.
    """
    keys: dict[int, list[str]] = {}
    blobs: dict[int, ScoreBlobs] = {}
    for one in taggers(connection):
        scores = ScoreBlobs(connection, one.id, len(one.names))
        if scores.newest():
            keys[one.id], blobs[one.id] = [captions.key(name) for name in one.names], scores
    if not keys:
        return "no image has been tagged", "Run: shikomi tag PROJECT --model MODEL"
    knowing = [tagger for tagger in keys if key in keys[tagger]]
    if not knowing:
        near = get_close_matches(key, {name for names in keys.values() for name in names}, 1, 0.6)
        hint = f"Did you mean {near[0].replace(' ', '_')}?" if near else ""
        return f"no tagger that was used knows the tag {key!r}", hint
    for tagger in knowing:
        _fill(connection, tagger, key, blobs[tagger], keys[tagger].index(key))
    return None


def _fill(
    connection: sqlite3.Connection, tagger: int, key: str, blobs: ScoreBlobs, column: int
) -> None:
    row = connection.execute(
        "SELECT seen FROM score_columns WHERE tagger = ? AND key = ?", (tagger, key)
    ).fetchone()
    seen, newest = (row[0] if row else 0), blobs.newest()
    if seen >= newest:
        return
    for contents, values in blobs.column(column, seen):
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
