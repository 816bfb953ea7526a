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

WriteMode = Literal["merge", "missing", "overwrite", "append", "prepend"]
Tags = tuple[str, ...]


@dataclass(frozen=True)
class ManualEdits:
    """The decisions behind one text of a caption.

    Attributes:
        compiled: The tags of that text.
        added: Tags that people added.
        removed: Tags that people removed.
    """

    compiled: Tags = ()
    added: Tags = ()
    removed: Tags = ()


def infer_manual_edits(
    hand: ManualEdits | None, present: Sequence[str], rules: Rules
) -> ManualEdits:
    """Return the decisions after looking at the caption as it is now.

    What the rules explain (the trigger word, dropped and renamed tags) is no decision.

    Args:
        hand: What is known of this image; ``None`` makes all its tags decisions.
        present: Tags of the caption file.
        rules: Of the concept.

    Example:
        >>> infer_manual_edits(ManualEdits(compiled=("bear", "hat")), ["bear", "bow"], Rules())
        ManualEdits(compiled=('bear', 'bow'), added=('bow',), removed=('hat',))
    """
    trigger = [rules.trigger]
    if hand is None:
        return ManualEdits(
            tuple(present), tuple(captions.remove(captions.unique(present), trigger))
        )
    ruled = rules.apply(hand.compiled)
    added = captions.remove(captions.unique(present), [*hand.compiled, *ruled])
    stable = {captions.key(tag) for tag in ruled}
    expected = [tag for tag in hand.compiled if captions.key(tag) in stable]
    removed = captions.remove(expected, [*present, *trigger])
    plus = captions.add(captions.remove(hand.added, removed), added)
    minus = captions.add(captions.remove(hand.removed, present), removed)
    return ManualEdits(tuple(present), tuple(plus), tuple(minus))


def compile_caption(
    hand: ManualEdits, machine: Sequence[str], rules: Rules, mode: WriteMode = "merge"
) -> ManualEdits:
    """Return the decisions and the tags (``compiled``) of the new caption.

    Tags that stay keep their place, since people order tags, too.

    Args:
        hand: From ``infer_manual_edits``; its ``compiled`` are the present tags.
        machine: Tags of the tagger, best first.
        rules: Of the concept.
        mode: ``overwrite`` forgets the decisions; ``append`` and ``prepend`` remove nothing;
            all others merge.
    """
    if mode == "overwrite":
        hand = ManualEdits()
    present = rules.apply(hand.compiled)
    wanted = rules.apply(captions.remove(captions.add(machine, hand.added), hand.removed))
    if mode not in ("append", "prepend"):
        keys = {captions.key(tag) for tag in wanted}
        present = [tag for tag in present if captions.key(tag) in keys]
    result = captions.add(present, wanted, first=mode == "prepend")
    # Rules may rename a tag to one that was removed by hand; the trigger word is theirs alone.
    unwanted = captions.remove(hand.removed, [rules.trigger])
    return replace(hand, compiled=tuple(captions.remove(rules.apply(result), unwanted)))
