"""The steps of a bulk edit: functions from the tags of one caption to its new tags.

What is the same for all captions (sets of keys, patterns) is built once, with the step.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prep import captions
from prep.captions import rewrite_tags, structure, weights
from prep.captions.order import Rank
from prep.captions.patterns import matcher
from prep.dataset.caption_rows import CaptionRow

TagList = list[str]
EditStep = Callable[[TagList, CaptionRow], TagList]


class Replace:
    """Replace a tag in place with one, several or no tags."""

    def __init__(self, old: str, new: Sequence[str]) -> None:
        self._old, self._new = captions.key(old), list(new)
        self._new_keys = frozenset(captions.keys(new))

    def __call__(self, tags: TagList, _row: CaptionRow) -> TagList:
        """Return the tags with this one replaced."""
        old, keys = self._old, captions.keys(tags)
        if old not in keys:
            return tags
        named: TagList = []
        for key, tag in zip(keys, tags, strict=True):
            named += self._new if key == old else (tag,)
        return tags if named == tags else captions.without_doubles(named, self._new_keys)


class Add:
    """Add tags that are missing."""

    def __init__(self, tags: Sequence[str], *, first: bool = False) -> None:
        self._new = list(zip(captions.keys(tags), tags, strict=True))
        self._first = first

    def __call__(self, tags: TagList, _row: CaptionRow) -> TagList:
        """Return the tags with the missing ones added."""
        present = captions.keys(tags)
        missing = [tag for name, tag in self._new if name not in present]
        return [*missing, *tags] if self._first else [*tags, *missing]


class Remove:
    """Drop tags in every spelling."""

    def __init__(self, tags: Sequence[str]) -> None:
        unwanted = matcher(tags)
        self._stays = captions.TagCache(lambda tag: not unwanted(tag)).__getitem__

    def __call__(self, tags: TagList, _row: CaptionRow) -> TagList:
        """Return the tags without the unwanted ones."""
        return list(filter(self._stays, tags))


@dataclass(frozen=True)
class Move:
    """Move a tag to the front, the end, or next to another."""

    tag: str
    place: str

    def __call__(self, tags: TagList, _row: CaptionRow) -> TagList:
        """Return the tags with this one moved."""
        moved = [tag for tag in tags if captions.key(tag) == captions.key(self.tag)]
        rest = captions.remove(tags, [self.tag])
        side, _, other = self.place.partition(":")
        if side == "front":
            return [*moved, *rest]
        if side == "end":
            return [*rest, *moved]
        keys = captions.keys(rest)
        if captions.key(other) not in keys:
            return tags
        place = keys.index(captions.key(other)) + (side == "after")
        return [*rest[:place], *moved, *rest[place:]]


@dataclass(frozen=True)
class SortTags:
    """Sort tags by a rank per image; a leading trigger word stays in front.

    Attributes:
        rank: Returns the rank for the tags of one caption.
        triggers: Returns the trigger tags of a concept folder.
    """

    rank: Callable[[TagList, CaptionRow], Rank]
    triggers: Callable[[str], Sequence[str]]

    def __call__(self, tags: TagList, row: CaptionRow) -> TagList:
        """Return the tags of a plain caption sorted."""
        lead, rank = self._lead(tags, row), self.rank(tags, row)
        # Plain captions have no sentences, which must stay in place.
        if set(tags[:lead]).isdisjoint(tags[lead:]):
            return [*tags[:lead], *sorted(tags[lead:], key=rank)]
        return sorted(tags, key=_behind(tags[:lead], rank))

    def line(self, line: str, row: CaptionRow) -> str:
        """Return a line with structure sorted."""
        tags = structure.tags_of(line)
        rank = _behind(tags[: self._lead(tags, row)], self.rank(tags, row))
        return rewrite_tags.sorted_line(line, rank)

    def _lead(self, tags: TagList, row: CaptionRow) -> int:
        """Return how many trigger tags the caption starts with."""
        triggers = self.triggers(row.folder)
        first = tags[: len(triggers)]
        return len(first) if captions.keys(first) == captions.keys(triggers) else 0


def _behind(leaders: TagList, rank: Rank) -> Rank:
    """Return the rank that puts some tags before all others."""
    return lambda tag: (0, 0) if tag in leaders else (1, rank(tag))


def weighted(step: EditStep) -> EditStep:
    """Wrap a step so that it sees tags without weights, and restore the weights afterwards."""
    if isinstance(step, SortTags):
        inner = step.rank
        return SortTags(lambda tags, row: _ranks_core(inner(_cores(tags), row)), step.triggers)

    def run(tags: TagList, row: CaptionRow) -> TagList:
        parts = [weights.unweighted(tag) for tag in tags]
        cores = [core for _, core, _ in parts]
        new = step(cores, row)
        places = rewrite_tags.origins(cores, new)
        return [
            tag if place < 0 else parts[place][0] + tag + parts[place][2]
            for tag, place in zip(new, places, strict=True)
        ]

    return run


def _cores(tags: TagList) -> TagList:
    return [weights.unweighted(tag)[1] for tag in tags]


def _ranks_core(rank: Rank) -> Rank:
    return lambda tag: rank(weights.unweighted(tag)[1])
