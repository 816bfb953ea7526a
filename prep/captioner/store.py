"""Stored descriptions, by content and request, so that none is requested twice."""

import json

from prep.dataset.index import Index
from prep.system.files import text_hash


def question_key(*parts: object) -> str:
    """Return the key of a request: prompt, model and settings."""
    return text_hash(json.dumps(parts, ensure_ascii=False))


class DescriptionStore:
    """Descriptions in ``cache.db``. Without it they count as written by hand and are kept."""

    def __init__(self, index: Index) -> None:
        """Open the store.

        Args:
            index: Open index of the project.
        """
        self._connection = index.connection

    def get(self, content: str, asked: str) -> str | None:
        """Return the stored answer to a request for an image, if there is one."""
        row = self._connection.execute(
            "SELECT text FROM descriptions WHERE content = ? AND asked = ?", (content, asked)
        ).fetchone()
        return None if row is None else str(row[0])

    def put(self, content: str, asked: str, text: str) -> None:
        """Store an answer at once, so that a killed run continues where it stopped."""
        with self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO descriptions VALUES(?, ?, ?)", (content, asked, text)
            )

    def of(self, content: str) -> list[str]:
        """Return all stored answers for an image."""
        rows = self._connection.execute(
            "SELECT DISTINCT text FROM descriptions WHERE content = ?", (content,)
        )
        return [text for (text,) in rows]
