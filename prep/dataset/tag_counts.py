"""Count how many images have each tag.

For the whole dataset ``tags.count`` is kept up to date, and only unusable images are subtracted.
For a part of it the packed tag lists of its rows are counted, about twenty times faster than
grouping ``image_tags``.
"""

import sqlite3

from prep.dataset.query.sets import ids_of, numbers, set_of
from prep.dataset.writer import chunks, unpacked

_UNUSABLE = """SELECT id AS n FROM images WHERE faulty UNION
    SELECT j.id FROM work.exclusions x CROSS JOIN images j ON j.path = x.path"""


def tag_counts(connection: sqlite3.Connection, chosen: int | None) -> list[tuple[str, int]]:
    """Return (tag, number of usable images that have it), most frequent first.

    Args:
        connection: Connection to the cache, with ``work.db`` attached.
        chosen: A set of ids in the form of ``prep.dataset.query.sets``; ``None`` for all images.
    """
    unusable = set_of(numbers(connection, _UNUSABLE, ()))
    if chosen is None:
        taken = _counted(connection, ids_of(unusable))
        rows = connection.execute(
            "SELECT id, name, count FROM tags WHERE count > 0 AND NOT sentence"
        )
        found = [(name, count - taken.get(tag, 0)) for tag, name, count in rows]
    else:
        counts = _counted(connection, ids_of(chosen & ~unusable))
        found = [(name, counts[tag]) for tag, name in _names(connection, list(counts))]
    return sorted(((n, c) for n, c in found if c > 0), key=lambda item: (-item[1], item[0]))


def _counted(connection: sqlite3.Connection, ids: list[int]) -> dict[int, int]:
    """Return, by tag, how many of these images have it."""
    if not ids:
        return {}
    import numpy as np

    packed = bytearray()
    for places, part in chunks(ids):
        select = f"SELECT tags FROM images WHERE id IN ({places})"
        for (tags,) in connection.execute(select, part):
            packed += tags
    counts = np.bincount(np.frombuffer(packed, unpacked(b"").typecode))
    used = np.flatnonzero(counts)
    return dict(zip(used.tolist(), counts[used].tolist(), strict=True))


def _names(connection: sqlite3.Connection, tags: list[int]) -> list[tuple[int, str]]:
    """Return the names of tags, without sentences, which have ids only for searching."""
    return [
        row
        for places, part in chunks(tags)
        for row in connection.execute(
            f"SELECT id, name FROM tags WHERE id IN ({places}) AND NOT sentence", part
        )
    ]
