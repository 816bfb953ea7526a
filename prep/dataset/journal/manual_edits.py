"""Manual edits, stored by image and caption text in ``work.db``."""

import json
from collections.abc import Iterable
from dataclasses import replace

from prep.captions.layers import ManualEdits
from prep.dataset.index import Index
from prep.system.files import text_hash


class ManualEditStore:
    """Manual edits by image and caption text, in ``work.db``."""

    def __init__(self, index: Index) -> None:
        """Open the store of an open index."""
        self._connection = index.connection

    def behind(self, path: str, text: str | None) -> ManualEdits | None:
        """Return the manual edits to compare a caption with.

        Those behind exactly this text; else those behind the last text that the journal wrote or
        restored there; else the newest; ``None`` if nothing is known. A missing file says nothing
        about its tags, so nothing is inferred from it.
        """
        rows = self._connection.execute(
            "SELECT text, compiled, plus, minus FROM work.hand WHERE path = ? ORDER BY id", (path,)
        ).fetchall()
        if not rows:
            return None
        known = {
            row[0]: ManualEdits(*(tuple(json.loads(part)) for part in row[1:])) for row in rows
        }
        exact = known.get(_hash(text))
        if exact is not None:
            return exact
        journalled = (_hash(last) for last in self._journalled(path))
        last = next((name for name in journalled if name in known), rows[-1][0])
        return replace(known[last], compiled=()) if text is None else known[last]

    def paths(self) -> frozenset[str]:
        """Return the images about which something was decided."""
        rows = self._connection.execute("SELECT DISTINCT path FROM work.hand")
        return frozenset(path for (path,) in rows)

    def knows(self, path: str, text: str | None) -> bool:
        """Return whether there are manual edits for exactly this text."""
        row = self._connection.execute(
            "SELECT 1 FROM work.hand WHERE path = ? AND text = ?", (path, _hash(text))
        ).fetchone()
        return row is not None

    def _journalled(self, path: str) -> Iterable[str | None]:
        """Yield the texts that edits left in a caption file, newest edit first."""
        rows = self._connection.execute(
            """SELECT e.state, c.before, c.after FROM work.edits e
            JOIN work.changes c ON c.edit = e.id AND c.path = ? AND c.what = 'caption'
            ORDER BY e.id DESC""",
            (path,),
        )
        for state, before, after in rows:
            yield after if state == "done" else before

    def put(self, items: Iterable[tuple[str, str | None, ManualEdits]]) -> None:
        """Record manual edits: (image, text of its caption, manual edits)."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO work.hand(path, text, compiled, plus, minus)"
                " VALUES(?, ?, ?, ?, ?)",
                (
                    (
                        path,
                        _hash(text),
                        *map(_packed, (manual.compiled, manual.added, manual.removed)),
                    )
                    for path, text, manual in items
                ),
            )

    def forget(self, items: Iterable[tuple[str, str | None]]) -> None:
        """Drop the manual edits of texts that were never written."""
        with self._connection:
            self._connection.executemany(
                "DELETE FROM work.hand WHERE path = ? AND text = ?",
                ((path, _hash(text)) for path, text in items),
            )


def _hash(text: str | None) -> str:
    """Return a short hash of a text; empty for a missing file."""
    return "" if text is None else text_hash(text)


def _packed(tags: tuple[str, ...]) -> str:
    return json.dumps(tags, ensure_ascii=False)
