"""Answers to questions about single tags: is it in this image, yes or no?

Most decisions by hand show when captions are compared with what was last written there
(``layers``). An answer that leaves the caption as it is would not show, so answers are kept on
their own, in ``work.db``, and changed through the journal alone.
"""

from collections.abc import Mapping
from dataclasses import replace

from prep import captions
from prep.captions.layers import ManualEdits
from prep.captions.rules import Rules
from prep.dataset.index import Index

Answers = dict[str, bool]
"""Tag -> is it in the image?"""


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
        """Open them beside the index."""
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


def answered(hand: ManualEdits, answers: Mapping[str, bool], rules: Rules) -> ManualEdits:
    """Return the decisions with answers among them.

    What the caption has now is newer than the answers: a tag that was there and is gone was taken
    away by hand, and one that was not there and is now was added.

    Args:
        hand: From ``layers.learnt``; its ``compiled`` are the present tags.
        answers: About this image.
        rules: Answers about tags that they drop or rename do not count.

    Example:
        >>> answered(ManualEdits(("hat",)), {"hat": True, "smile": False}, Rules())
        ManualEdits(compiled=('hat',), added=('hat',), removed=('smile',))
    """
    present = set(captions.keys(hand.compiled))
    stable = [tag for tag in answers if captions.key(tag) in captions.keys(rules.apply([tag]))]
    kept = [tag for tag in stable if captions.key(tag) in present and answers[tag]]
    gone = [tag for tag in stable if captions.key(tag) not in present]
    return replace(
        hand,
        added=tuple(captions.add(hand.added, kept)),
        removed=tuple(captions.add(hand.removed, gone)),
    )
