"""Put new tags into the structure of an old line, keeping separators, marks and groups.

The counterpart of ``prep.captions.structure``, which parses lines.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

from prep.captions import sentences
from prep.captions.structure import (
    GROUP_MARK,
    KEEP_MARK,
    SEPARATOR,
    LineParts,
    are_plain,
    plain_tags,
)

_MARK_LETTERS = "|;"


def with_new_tags(line: str, tags: Sequence[str]) -> str:
    """Return the line with other tags, in its own style.

    Tags that stay keep the gaps between them, their section and their group; a renamed tag takes
    the place of the old one. New tags at the end go before a closing sentence and before the
    tags behind a second ``|||``.

    Example:
        >>> with_new_tags("mochi ||| hat,bow,", ["mochi", "bow", "smile"])
        'mochi ||| bow,smile,'
    """
    plain = plain_tags(line)
    if plain is not None:
        return line if plain == tags else SEPARATOR.join(tags)
    pieces = LineParts.parse(line)
    if pieces.tags == tags:
        return line
    if not tags or not (pieces.tags or pieces.marks):
        return SEPARATOR.join(tags)
    return _LineRewriter(pieces, tags).line()


class _LineRewriter:
    """Puts new tags into the structure of an old line."""

    def __init__(self, old: LineParts, tags: Sequence[str]) -> None:
        self._old = old
        # Pairs of a new tag and the index of the old tag that it is, or -1.
        self._new = list(zip(tags, origins(old.tags, tags), strict=True))
        self._cuts: list[int] = []
        """For each ``|||``, the number of new tags before it."""
        for number in range(len(old.marks)):
            self._cuts.append(self._cut(number))
        self._bring_forward()

    def _cut(self, number: int) -> int:
        """Return where mark ``number`` goes, so that the fewest tags change sides."""
        least = self._cuts[-1] if self._cuts else 0
        after = [origin >= 0 and self._old.sections[origin] > number for _, origin in self._new]
        before = [origin >= 0 and self._old.sections[origin] <= number for _, origin in self._new]
        steps = (late - early for late, early in zip(after, before, strict=True))
        costs = list(accumulate(steps, initial=sum(before)))
        best = min(costs[least:])
        cut = max(n for n in range(least, len(costs)) if costs[n] == best)
        leading = next((n for n, (_, o) in enumerate(self._new) if o >= 0), len(self._new))
        # New tags next to the first mark may be shuffled, unless they come first in the line.
        while number == 0 and cut > leading and self._new[cut - 1][1] < 0:
            cut -= 1
        return cut

    def _bring_forward(self) -> None:
        """Move new tags at the end before a closing sentence and before tags that keep the end."""
        end = len(self._new)
        while end > 0 and self._new[end - 1][1] < 0:
            end -= 1
        place = end
        if len(self._cuts) > 1 and self._cuts[-1] < place:
            place = self._cuts[-1]
        first = self._cuts[0] if self._cuts else 0
        while place > first and sentences.is_sentence(self._new[place - 1][0]):
            place -= 1
        fresh = self._new[end:]
        if place == end or not fresh:
            return
        self._new[place:] = [*fresh, *self._new[place:end]]
        self._cuts = [c + len(fresh) if c >= place and k else c for k, c in enumerate(self._cuts)]

    def line(self) -> str:
        """Return the new line."""
        last = len(self._old.tags)
        ends = [(-1, ""), *((origin, tag) for tag, origin in self._new), (last, "")]
        text = list[str]()
        for place, ((left, _), (right, tag)) in enumerate(pairwise(ends)):
            cuts = [n for n, cut in enumerate(self._cuts) if cut == place]
            fresh = (place > 0 and left < 0, right < 0)
            _put(text, self._gap(left, right, cuts, fresh))
            _put(text, tag)
        return "".join(text)

    def _gap(self, left: int, right: int, cuts: list[int], fresh: tuple[bool, bool]) -> str:
        """Return the gap between two neighbours, given as indexes of old tags."""
        old, last = self._old, len(self._old.tags)
        if not any(fresh) and right == left + 1:
            gap = old.gaps[right]
            if gap.count(KEEP_MARK) == len(cuts):
                return gap
        starts, ends = left < 0 and not fresh[0], right == last
        if cuts:
            gap = "".join(old.marks[n] for n in cuts).replace("  ", " ")
            gap = gap.lstrip(" ,") if starts else gap
            return gap.rstrip(" ,") if ends else gap
        if starts or ends:
            return self._edge(starts, ends)
        if not any(fresh) and old.groups[left] == old.groups[right]:
            return GROUP_MARK
        if not fresh[1] and right > 0 and sentences.is_sentence(old.tags[right]):
            gap = old.gaps[right]
            if KEEP_MARK not in gap and GROUP_MARK not in gap:
                return gap
        return old.habit

    def _edge(self, starts: bool, ends: bool) -> str:
        """Return the text at the start or end of the line; marks are written elsewhere."""
        if starts and ends:
            return ""
        gap = self._old.gaps[0] if starts else self._old.gaps[-1]
        return gap.partition(KEEP_MARK)[0] if starts else gap.rpartition(KEEP_MARK)[2]


def _put(text: list[str], piece: str) -> None:
    """Append a tag or a gap, with a space where a tag like ``||_||`` would blur a mark."""
    if not piece:
        return
    if text and text[-1][-1] == piece[0] and piece[0] in _MARK_LETTERS:
        text.append(" ")
    text.append(piece)


def sorted_line(line: str, rank: Callable[[str], Any]) -> str:
    """Return the line with its loose tags sorted; stable.

    Tags that keep their place (before the first ``|||``, behind the second) and sentences stay
    where they are; a ``;;;`` group goes where its first tag belongs.

    Args:
        line: One line of a caption.
        rank: What to sort by.

    Example:
        >>> sorted_line("mochi ||| hat, bow;;;arrow, cap", lambda tag: tag)
        'mochi ||| bow;;;arrow, cap, hat'
    """
    plain = plain_tags(line)
    if plain is not None:
        return SEPARATOR.join(sorted(plain, key=rank))
    pieces = LineParts.parse(line)
    loose = 1 if pieces.marks else 0
    result: list[list[str]] = []
    run: list[list[str]] = []
    for section, unit in [*pieces.units(), (-1, [])]:
        if section == loose and not sentences.is_sentence(unit[0]):
            run.append(unit)
        else:
            result += [*sorted(run, key=lambda unit: rank(unit[0])), unit]
            run = []
    return with_new_tags(line, [tag for unit in result for tag in unit])


def sorted_tags(tags: list[str], rank: Callable[[str], Any]) -> list[str]:
    """Return tags sorted between sentences, which stay where they are; stable.

    Example:
        >>> sorted_tags(["hat", "bow", "A bear sits on a beach, smiling.", "cap"], lambda t: t)
        ['bow', 'hat', 'A bear sits on a beach, smiling.', 'cap']
    """
    if are_plain(tags):
        return sorted(tags, key=rank)
    result: list[str] = []
    run: list[str] = []
    for tag in tags:
        if sentences.is_sentence(tag):
            result += [*sorted(run, key=rank), tag]
            run = []
        else:
            run.append(tag)
    return result + sorted(run, key=rank)


def origins(old: Sequence[str], new: Sequence[str]) -> list[int]:
    """Return for each new tag the index of the old tag that it is, or -1."""
    places: dict[str, list[int]] = {}
    for index in range(len(old) - 1, -1, -1):
        places.setdefault(old[index], []).append(index)
    found = [places[tag].pop() if places.get(tag) else -1 for tag in new]
    taken, start = set(found), 0
    while start < len(found):
        if found[start] >= 0:
            start += 1
            continue
        end = start
        while end < len(found) and found[end] < 0:
            end += 1
        left = found[start - 1] if start else -1
        right = found[end] if end < len(found) else len(old)
        # As many new tags as old ones between the same neighbours: they were renamed.
        between = range(left + 1, right)
        if len(between) == end - start and not taken.intersection(between):
            found[start:end] = between
        start = end
    return found
