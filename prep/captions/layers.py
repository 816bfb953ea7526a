"""Layered captions: tags of a tagger, manual edits and rules, kept apart.

A caption is ``rules(machine tags + added - removed)``. Nobody declares ``added`` and ``removed``:
they are inferred by comparing the caption file with what was last written there, whichever editor
changed it. So tagging again, with another model or threshold, keeps every manual edit.

Manual edits are stored for every text that was written or found (``hand`` in ``work.db``). When
undo restores an earlier text, the manual edits behind that text are restored with it.
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
    """The manual edits behind one text of a caption.

    Attributes:
        compiled: The tags of that text.
        added: Tags that people added.
        removed: Tags that people removed.
    """

    compiled: Tags = ()
    added: Tags = ()
    removed: Tags = ()


def infer_manual_edits(
    manual: ManualEdits | None, present: Sequence[str], rules: Rules
) -> ManualEdits:
    """Return the manual edits, given the present caption.

    Changes that the rules explain (trigger word, dropped and renamed tags) do not count.

    Args:
        manual: The edits known so far; ``None`` makes all tags of the caption manual.
        present: Tags of the caption file.
        rules: Rules of the concept.

    Example:
        >>> infer_manual_edits(ManualEdits(compiled=("bear", "hat")), ["bear", "bow"], Rules())
        ManualEdits(compiled=('bear', 'bow'), added=('bow',), removed=('hat',))
    """
    trigger = [rules.trigger]
    if manual is None:
        return ManualEdits(
            tuple(present), tuple(captions.remove(captions.unique(present), trigger))
        )
    ruled = rules.apply(manual.compiled)
    added = captions.remove(captions.unique(present), [*manual.compiled, *ruled])
    stable = {captions.key(tag) for tag in ruled}
    expected = [tag for tag in manual.compiled if captions.key(tag) in stable]
    removed = captions.remove(expected, [*present, *trigger])
    all_added = captions.add(captions.remove(manual.added, removed), added)
    all_removed = captions.add(captions.remove(manual.removed, present), removed)
    return ManualEdits(tuple(present), tuple(all_added), tuple(all_removed))


def compile_caption(
    manual: ManualEdits, machine: Sequence[str], rules: Rules, mode: WriteMode = "merge"
) -> ManualEdits:
    """Return the manual edits and the tags (``compiled``) of the new caption.

    Tags that stay keep their position, since people also order tags.

    Args:
        manual: From ``infer_manual_edits``; its ``compiled`` are the current tags.
        machine: Tags of the tagger, best first.
        rules: Rules of the concept.
        mode: ``overwrite`` discards manual edits; ``append`` and ``prepend`` remove nothing;
            any other merges.
    """
    if mode == "overwrite":
        manual = ManualEdits()
    present = rules.apply(manual.compiled)
    wanted = rules.apply(captions.remove(captions.add(machine, manual.added), manual.removed))
    if mode not in ("append", "prepend"):
        keys = {captions.key(tag) for tag in wanted}
        present = [tag for tag in present if captions.key(tag) in keys]
    result = captions.add(present, wanted, first=mode == "prepend")
    # Rules may rename a tag to one removed by hand; the trigger word belongs to the rules.
    unwanted = captions.remove(manual.removed, [rules.trigger])
    return replace(manual, compiled=tuple(captions.remove(rules.apply(result), unwanted)))
