"""Answers to questions about single tags: is it in this image, yes or no?

Most manual edits are found by comparing captions with what was last written there
(``layers``). An answer that does not change the caption would not show, so answers are stored
separately, in ``work.db``, and changed only through the journal.
"""

from collections.abc import Mapping
from dataclasses import replace

from prep import captions
from prep.captions.layers import ManualEdits
from prep.captions.rules import Rules
from prep.dataset.index import Index

Answers = dict[str, bool]
"""Tag -> whether it is in the image."""


def packed(answers: Mapping[str, bool]) -> str | None:
    """Return answers as one text, for ``unpacked``; ``None`` for none.

    Example:
        >>> packed({"hat": False, "smile": True})
        '-hat, +smile'
    """
    parts = [("+" if yes else "-") + tag for tag, yes in answers.items()]
    return captions.SEPARATOR.join(parts) or None


def unpacked(text: str | None) -> Answers:
    """Read what ``packed`` wrote."""
    parts = text.split(captions.SEPARATOR) if text else []
    return {part[1:]: part.startswith("+") for part in parts}


def merged(answers: Mapping[str, bool], new: Mapping[str, bool]) -> Answers:
    """Add answers; newer ones about the same tag replace the older."""
    gone = set(captions.keys(new))
    kept = {tag: yes for tag, yes in answers.items() if captions.key(tag) not in gone}
    return {**kept, **new}


class AnswerStore:
    """The answers of one project."""

    def __init__(self, index: Index) -> None:
        """Open the answers of an open index."""
        self._connection = index.connection

    def of(self, path: str) -> Answers:
        """Return the answers about one image."""
        row = self._connection.execute(
            "SELECT answers FROM work.answers WHERE path = ?", (path,)
        ).fetchone()
        return unpacked(row[0] if row else None)

    def all(self) -> dict[str, Answers]:
        """Return the answers about all images that have some."""
        rows = self._connection.execute("SELECT path, answers FROM work.answers")
        return {path: unpacked(text) for path, text in rows}


def answered(manual: ManualEdits, answers: Mapping[str, bool], rules: Rules) -> ManualEdits:
    """Return the manual edits with answers merged in.

    The caption is newer than the answers: a tag that was there and is gone was removed
    by hand, and one that was not there and is now was added.

    Args:
        manual: From ``layers.infer_manual_edits``; its ``compiled`` are the current tags.
        answers: Answers about this image.
        rules: Caption rules; answers about tags that they drop or rename do not count.

    Example:
        >>> answered(ManualEdits(("hat",)), {"hat": True, "smile": False}, Rules())
        ManualEdits(compiled=('hat',), added=('hat',), removed=('smile',))
    """
    present = set(captions.keys(manual.compiled))
    stable = [tag for tag in answers if captions.key(tag) in captions.keys(rules.apply([tag]))]
    kept = [tag for tag in stable if captions.key(tag) in present and answers[tag]]
    gone = [tag for tag in stable if captions.key(tag) not in present]
    return replace(
        manual,
        added=tuple(captions.add(manual.added, kept)),
        removed=tuple(captions.add(manual.removed, gone)),
    )
