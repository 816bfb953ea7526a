"""Find the images that have one of many tags, for filters such as ``*hair*``.

Such tags have more rows in image_tags than there are images. So the frequent ones are fetched
first; once few images are left, these are checked one by one, by the packed tags of their rows.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence

from prep.dataset.query.sets import fetched, ids_of, set_of

_PORTION = 1 / 4
"""Rows of image_tags fetched at once, as a share of all images."""
_LOOK = 100
"""Cost of checking one image, in fetched rows."""
HAVING = "SELECT image AS n FROM image_tags WHERE tag IN (SELECT value FROM json_each(?))"
"""The images that have one of some tags."""


def with_any(connection: sqlite3.Connection, tags: Sequence[int], everyone: int) -> int:
    """Return the set of images that have one of these tags.

    Args:
        connection: Connection to the cache.
        tags: Ids of the tags.
        everyone: The set of all images.
    """
    found = 0
    counts = dict(
        connection.execute(
            "SELECT id, count FROM tags WHERE id IN (SELECT value FROM json_each(?))"
            " ORDER BY count DESC",
            (json.dumps(tags),),
        ).fetchall()
    )
    left = sum(counts.values())
    for portion in _portions(counts, everyone.bit_count() * _PORTION):
        outside = everyone & ~found
        if outside.bit_count() * _LOOK < left:
            return found | _looked_through(connection, outside, list(counts))
        found |= fetched(connection, HAVING, (json.dumps(portion),))
        left -= sum(counts.pop(tag) for tag in portion)
    return found


def _portions(counts: dict[int, int], size: float) -> Iterator[list[int]]:
    """Yield the tags, in order, in portions of at least ``size`` rows."""
    portion: list[int] = []
    entries = 0
    for tag, count in list(counts.items()):
        portion.append(tag)
        entries += count
        if entries >= size:
            yield portion
            portion, entries = [], 0
    if portion:
        yield portion


def _looked_through(connection: sqlite3.Connection, images: int, tags: list[int]) -> int:
    """Return the subset of ``images`` that have one of the tags."""
    import numpy as np

    rows = connection.execute(
        "SELECT i.id, i.tags FROM json_each(?) c CROSS JOIN images i ON i.id = c.value",
        (json.dumps(ids_of(images)),),
    ).fetchall()
    packed = np.frombuffer(b"".join(data for _, data in rows), np.uintc)
    wanted = np.zeros(max(int(packed.max(initial=0)), *tags) + 1, np.bool_)
    wanted[tags] = True
    lengths = [len(data) // packed.itemsize for _, data in rows]
    owners = np.repeat(np.array([image for image, _ in rows], np.int64), lengths)
    return set_of(np.unique(owners[wanted[packed]]).tolist())
