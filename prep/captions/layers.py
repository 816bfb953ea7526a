"""Layered captions: what a tagger saw, what people decided, and rules, kept apart.

A caption is ``rules(machine tags + plus - minus)``. Nobody declares plus and minus: they are
learnt by comparing the caption file with what we wrote there last, whichever editor changed it.
So tagging again, with another model or threshold, keeps every decision made by hand.

What was decided is kept for every text that we wrote or found (``hand`` in ``work.db``). When
undo brings an earlier text back, the decisions behind that text come back with it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from prep import captions
from prep.captions.rules import Rules
from prep.files import text_hash
from prep.index import Index

Mode = Literal["merge", "missing", "overwrite", "append", "prepend"]
Tags = tuple[str, ...]


@dataclass(frozen=True)
class Hand:
    """The decisions behind one text of a caption.

    Attributes:
        compiled: The tags of that text.
        plus: Tags that people added.
        minus: Tags that people removed.
    """

    compiled: Tags = ()
    plus: Tags = ()
    minus: Tags = ()


def learnt(hand: Hand | None, present: Sequence[str], rules: Rules) -> Hand:
    """Return the decisions after looking at the caption as it is now.

    What the rules explain (the trigger word, dropped and renamed tags) is no decision.

    Args:
        hand: What is known of this image; ``None`` makes all its tags decisions.
        present: Tags of the caption file.
        rules: Of the concept.

    Example:
        >>> learnt(Hand(compiled=("bear", "hat")), ["bear", "bow"], Rules())
        Hand(compiled=('bear', 'bow'), plus=('bow',), minus=('hat',))
    """
    trigger = [rules.trigger]
    if hand is None:
        return Hand(tuple(present), tuple(captions.remove(captions.unique(present), trigger)))
    ruled = rules.apply(hand.compiled)
    added = captions.remove(captions.unique(present), [*hand.compiled, *ruled])
    stable = {captions.key(tag) for tag in ruled}
    expected = [tag for tag in hand.compiled if captions.key(tag) in stable]
    removed = captions.remove(expected, [*present, *trigger])
    plus = captions.add(captions.remove(hand.plus, removed), added)
    minus = captions.add(captions.remove(hand.minus, present), removed)
    return Hand(tuple(present), tuple(plus), tuple(minus))


def compiled(hand: Hand, machine: Sequence[str], rules: Rules, mode: Mode = "merge") -> Hand:
    """Return the decisions and the tags (``compiled``) of the new caption.

    Tags that stay keep their place, since people order tags, too.

    Args:
        hand: From ``learnt``; its ``compiled`` are the present tags.
        machine: Tags of the tagger, best first.
        rules: Of the concept.
        mode: ``overwrite`` forgets the decisions; ``append`` and ``prepend`` remove nothing;
            all others merge.
    """
    if mode == "overwrite":
        hand = Hand()
    present = rules.apply(hand.compiled)
    wanted = rules.apply(captions.remove(captions.add(machine, hand.plus), hand.minus))
    if mode not in ("append", "prepend"):
        keys = {captions.key(tag) for tag in wanted}
        present = [tag for tag in present if captions.key(tag) in keys]
    result = captions.add(present, wanted, first=mode == "prepend")
    # Rules may rename a tag to one that was removed by hand; the trigger word is theirs alone.
    unwanted = captions.remove(hand.minus, [rules.trigger])
    return replace(hand, compiled=tuple(captions.remove(rules.apply(result), unwanted)))


class HandStore:
    """Decisions by image and text, in ``work.db``."""

    def __init__(self, index: Index) -> None:
        """Open them beside the index of a project."""
        self._connection = index.connection

    def behind(self, path: str, text: str | None) -> Hand | None:
        """Return the decisions to compare a caption with.

        Those behind this very text; else those behind the last text that the journal put or
        brought back there; else the newest; ``None`` when nothing is known. A file that is gone
        says nothing about its tags, so nothing is learnt from it.
        """
        rows = self._connection.execute(
            "SELECT text, compiled, plus, minus FROM work.hand WHERE path = ? ORDER BY id", (path,)
        ).fetchall()
        if not rows:
            return None
        known = {row[0]: Hand(*(tuple(json.loads(part)) for part in row[1:])) for row in rows}
        exact = known.get(_hash(text))
        if exact is not None:
            return exact
        journalled = (_hash(last) for last in self._journalled(path))
        last = next((name for name in journalled if name in known), rows[-1][0])
        return replace(known[last], compiled=()) if text is None else known[last]

    def knows(self, path: str, text: str | None) -> bool:
        """Are there decisions behind this very text?"""
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

    def put(self, items: Iterable[tuple[str, str | None, Hand]]) -> None:
        """Record the decisions behind texts: (image, text of its caption, decisions)."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO work.hand(path, text, compiled, plus, minus)"
                " VALUES(?, ?, ?, ?, ?)",
                (
                    (path, _hash(text), *map(_packed, (hand.compiled, hand.plus, hand.minus)))
                    for path, text, hand in items
                ),
            )

    def forget(self, items: Iterable[tuple[str, str | None]]) -> None:
        """Drop the decisions behind texts that were never written."""
        with self._connection:
            self._connection.executemany(
                "DELETE FROM work.hand WHERE path = ? AND text = ?",
                ((path, _hash(text)) for path, text in items),
            )


def _hash(text: str | None) -> str:
    """Return a short name of a text; that of a missing file is empty."""
    return "" if text is None else text_hash(text)


def _packed(tags: Tags) -> str:
    return json.dumps(tags, ensure_ascii=False)
