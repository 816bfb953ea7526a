"""The duplicates that were found last, in ``cache.db``, for filters such as ``dup:yes``."""

import sqlite3
from collections.abc import Iterable

_OPERATION = "dupes"


def save(connection: sqlite3.Connection, found: Iterable[tuple[str, str, str]]) -> None:
    """Store the members of all groups, replacing earlier ones.

    Args:
        connection: Connection to the cache.
        found: Path of the image, why it is in a group, path of the image of that group to keep.
    """
    with connection:
        connection.execute("DELETE FROM duplicates")
        connection.executemany("INSERT INTO duplicates VALUES(?, ?, ?)", found)
        connection.execute("INSERT OR IGNORE INTO finished VALUES(?)", (_OPERATION,))


def searched(connection: sqlite3.Connection) -> bool:
    """Return whether duplicates have been searched, even if none were found."""
    row = connection.execute("SELECT 1 FROM finished WHERE operation = ?", (_OPERATION,)).fetchone()
    return row is not None
