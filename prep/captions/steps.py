"""The steps of a bulk edit: functions from the tags of one caption to its new tags.

What is the same for all captions (sets of keys, patterns) is made once, when the step is made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prep import captions
from prep.captions import structure, weave, weights
from prep.captions.order import Rank
from prep.captions.patterns import matcher
from prep.captions.rows import CaptionRow

Tags = list[str]
Step = Callable[[Tags, CaptionRow], Tags]


def without_doubles(tags: Tags) -> Tags:
    """Drop later spellings of a tag; quick when there are none."""
    return tags if len(set(captions.keys(tags))) == len(tags) else captions.unique(tags)


class Replace:
    """Rename a tag where it stands, to several tags or to none."""

    def __init__(self, old: str, new: Sequence[str]) -> None:
        self._old, self._new, self._new_keys = captions.key(old), list(new), captions.keys(new)

    def __call__(self, tags: Tags, _row: CaptionRow) -> Tags:
        """Return the tags with this one renamed."""
        old, keys = self._old, captions.keys(tags)
        if old not in keys:
            return tags
        doubles = keys.count(old) > 1 or any(key in keys for key in self._new_keys)
        named = tags.copy()
        while old in keys:
            place = keys.index(old)
            named[place : place + 1] = self._new
            keys[place : place + 1] = [""] * len(self._new)
        return without_doubles(named) if doubles else named


class Add:
    """Add tags that are missing."""

    def __init__(self, tags: Sequence[str], *, first: bool = False) -> None:
        self._new = list(zip(captions.keys(tags), tags, strict=True))
        self._first = first

    def __call__(self, tags: Tags, _row: CaptionRow) -> Tags:
        """Return the tags with those that were missing."""
        present = captions.keys(tags)
        missing = [tag for name, tag in self._new if name not in present]
        return [*missing, *tags] if self._first else [*tags, *missing]


class Remove:
    """Drop tags in every spelling."""

    def __init__(self, tags: Sequence[str]) -> None:
        self._unwanted = captions.Memory(matcher(tags))

    def __call__(self, tags: Tags, _row: CaptionRow) -> Tags:
        """Return the tags that are not unwanted."""
        unwanted = self._unwanted
        return [tag for tag in tags if not unwanted[tag]]


@dataclass(frozen=True)
class Move:
    """Move a tag to the front, the end, or next to another."""

    tag: str
    place: str

    def __call__(self, tags: Tags, _row: CaptionRow) -> Tags:
        """Return the tags with this one elsewhere."""
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
class Sort:
    """Sort by what ranks the tags of one image; a trigger word that leads goes on leading.

    Attributes:
        rank: Makes the rank for the tags of one caption.
        triggers: Makes the tags of the trigger word of a concept folder.
    """

    rank: Callable[[Tags, CaptionRow], Rank]
    triggers: Callable[[str], Sequence[str]]

    def __call__(self, tags: Tags, row: CaptionRow) -> Tags:
        """Return the tags of a plain caption sorted."""
        lead = self._lead(tags, row)
        # Plain captions have no sentences, which would have to stay in place.
        return [*tags[:lead], *sorted(tags[lead:], key=self.rank(tags, row))]

    def line(self, line: str, row: CaptionRow) -> str:
        """Return a line with structure sorted."""
        tags = structure.tags_of(line)
        leaders, rank = set(tags[: self._lead(tags, row)]), self.rank(tags, row)
        return weave.sorted_line(line, lambda tag: (0, 0) if tag in leaders else (1, rank(tag)))

    def _lead(self, tags: Tags, row: CaptionRow) -> int:
        """Return how many tags of the trigger word the caption begins with."""
        triggers = self.triggers(row.folder)
        first = tags[: len(triggers)]
        return len(first) if captions.keys(first) == captions.keys(triggers) else 0


def weighted(step: Step) -> Step:
    """Let a step see tags without their weights, and put the weights back."""
    if isinstance(step, Sort):
        inner = step.rank
        return Sort(lambda tags, row: _ranks_core(inner(_cores(tags), row)), step.triggers)

    def run(tags: Tags, row: CaptionRow) -> Tags:
        parts = [weights.unweighted(tag) for tag in tags]
        cores = [core for _, core, _ in parts]
        new = step(cores, row)
        places = weave.origins(cores, new)
        return [
            tag if place < 0 else parts[place][0] + tag + parts[place][2]
            for tag, place in zip(new, places, strict=True)
        ]

    return run


def _cores(tags: Tags) -> Tags:
    return [weights.unweighted(tag)[1] for tag in tags]


def _ranks_core(rank: Rank) -> Rank:
    return lambda tag: rank(weights.unweighted(tag)[1])
