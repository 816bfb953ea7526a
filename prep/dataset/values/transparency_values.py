"""How transparent pictures are, in ``cache.db``, by content."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple


class Transparency(NamedTuple):
    """What a trainer meets that drops transparency.

    Attributes:
        share: Of the pixels that are not fully opaque, 0 to 1.
        grey: Mean brightness of what lies hidden under them, 0 (black) to 255.
    """

    share: float
    grey: float


def known(connection: sqlite3.Connection) -> dict[str, Transparency]:
    """Return what is known, by content."""
    rows = connection.execute("SELECT content, share, grey FROM transparency")
    return {content: Transparency(share, grey) for content, share, grey in rows}


def save(connection: sqlite3.Connection, found: Iterable[tuple[str, Transparency]]) -> None:
    """Keep what was found of contents, in one transaction."""
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO transparency(content, share, grey) VALUES(?, ?, ?)",
            ((content, *seen) for content, seen in found),
        )
