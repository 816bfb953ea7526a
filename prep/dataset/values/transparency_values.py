"""Measured transparency of pictures, in ``cache.db``, by content."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple


class Transparency(NamedTuple):
    """Transparency of a picture, for trainers that drop it.

    Attributes:
        share: Share of pixels that are not fully opaque, 0 to 1.
        grey: Mean brightness of the pixels hidden below, 0 (black) to 255.
    """

    share: float
    grey: float


def known(connection: sqlite3.Connection) -> dict[str, Transparency]:
    """Return the stored values, by content."""
    rows = connection.execute("SELECT content, share, grey FROM transparency")
    return {content: Transparency(share, grey) for content, share, grey in rows}


def save(connection: sqlite3.Connection, found: Iterable[tuple[str, Transparency]]) -> None:
    """Store values, in one transaction."""
    with connection:
        connection.executemany(
            "INSERT OR REPLACE INTO transparency(content, share, grey) VALUES(?, ?, ?)",
            ((content, *seen) for content, seen in found),
        )
