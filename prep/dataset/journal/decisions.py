"""What was decided in the review, so that it is not asked again: in ``work.db``, by image.

An answer belongs to a *question*, such as ``quality`` of one image, and covers what the question
rested on then: contents of files, findings, paths. It still holds when the question rests on the
same or on less, so that excluding one of three copies does not bring the other two back, and not
when there is something new. Changed only through the journal, so answers can be undone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from prep.dataset.index import Index
from prep.dataset.writer import chunks

ALWAYS = "*"
"""In what an answer covers: whatever the question rests on."""

Decided = dict[str, frozenset[str]]
"""Question -> what the answer covers."""


def packed(decided: Mapping[str, Iterable[str]]) -> str | None:
    """Return answers as one text, for ``unpacked``; ``None`` for none.

    Example:
        >>> packed({"quality": {"dark", "blur"}})
        '{"quality":["blur","dark"]}'
    """
    kept = {question: sorted(covers) for question, covers in sorted(decided.items())}
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")) if kept else None


def unpacked(text: str | None) -> Decided:
    """Read what ``packed`` wrote; parts that it did not write are left out."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        question: frozenset(part for part in covers if isinstance(part, str))
        for question, covers in found.items()
        if isinstance(covers, list)
    }


def covered(decided: Mapping[str, frozenset[str]], question: str, basis: frozenset[str]) -> bool:
    """Return whether a question was answered for all that it rests on.

    Example:
        >>> given = {"quality": frozenset({"blur", "dark"})}
        >>> covered(given, "quality", frozenset({"dark"}))
        True
        >>> covered(given, "quality", frozenset({"dark", "noise"}))
        False
    """
    known = decided.get(question)
    return known is not None and (ALWAYS in known or basis <= known)


def merged(decided: Mapping[str, frozenset[str]], question: str, covers: Iterable[str]) -> Decided:
    """Add an answer to those before."""
    return {**decided, question: decided.get(question, frozenset()) | frozenset(covers)}


class DecisionStore:
    """The decisions of one project."""

    def __init__(self, index: Index) -> None:
        """Open the decisions of an open index."""
        self._connection = index.connection

    def of(self, path: str) -> Decided:
        """Return what was decided about an image, a concept folder, or all (``.``)."""
        row = self._connection.execute(
            "SELECT kept FROM work.decisions WHERE path = ?", (path,)
        ).fetchone()
        return unpacked(row[0] if row else None)

    def of_many(self, paths: Sequence[str]) -> dict[str, Decided]:
        """Return what was decided about images, by path, without those about which nothing was."""
        return {
            path: unpacked(text)
            for places, part in chunks(paths)
            for path, text in self._connection.execute(
                f"SELECT path, kept FROM work.decisions WHERE path IN ({places})", part
            )
        }

    def all(self) -> dict[str, Decided]:
        """Return everything that was decided, by path."""
        rows = self._connection.execute("SELECT path, kept FROM work.decisions ORDER BY path")
        return {path: unpacked(text) for path, text in rows}
