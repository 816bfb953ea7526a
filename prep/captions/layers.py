"""Layered captions: what a tagger saw, what people decided, and rules, kept apart.

A caption is ``rules(machine tags + plus - minus)``. Nobody declares plus and minus: they are
learnt by comparing the caption file with what we wrote there last, whichever editor changed it.
So tagging again, with another model or threshold, keeps every decision made by hand.

What was decided is kept for every text that we wrote or found (``hand`` in ``work.db``). When
undo brings an earlier text back, the decisions behind that text come back with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from prep import captions
from prep.captions.rules import Rules

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
