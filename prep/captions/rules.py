r"""Caption rules of ``shikomi.toml``: applying them twice equals applying them once.

They are the layer between a tagger's tags and what a trainer reads, in this order: one name for
each tag (aliases, renames, patterns), implied tags dropped or added, unwanted and pruned tags
dropped, sorted, chosen tags first, the trigger word before everything else.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from prep import captions
from prep.captions import rewrite_tags, sentences, structure
from prep.captions.implications import Implications
from prep.captions.order import people_first
from prep.captions.patterns import matcher, separate
from prep.captions.tag_map import TagMap
from prep.errors import ConfigError
from prep.regexes import Expression

_ROUNDS = 20
"""Renames of renames that are followed; patterns that need more do not converge."""
_SHOWN = 60
"""Characters of a tag that an error shows."""
_LONGEST = 100_000
"""Characters up to which a pattern may make a tag longer: each round may multiply its length."""


@dataclass(frozen=True)
class Rules:
    """The rules of one concept.

    Attributes:
        trigger: Comes first; several tags, separated by commas, keep their order; empty for none.
        always_first: Come next if present, in this order.
        drop: Tags to remove; ``*`` matches anything.
        replace: Old tag -> new tag, or new tags with commas; empty to drop it.
        regex: Pattern -> replacement, searched in each tag.
        known: Aliases and implications.
        expand: Add implied tags, instead of dropping what another tag implies.
        order: How to sort: empty (not at all), alphabetical, or people.
        only: If not empty, the only tags that stay; ``*`` matches anything.
        places: Key of a tag -> below 0 to move it to the front, above 0 to the end, in any case.

    Example:
        >>> Rules(trigger="mochi", drop=("bear",)).apply(["bear", "hat"])
        ['mochi', 'hat']
    """

    trigger: str = ""
    always_first: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    replace: Mapping[str, str] = field(default_factory=dict)
    regex: Mapping[str, str] = field(default_factory=dict)
    known: Implications = field(default_factory=Implications)
    expand: bool = False
    order: str = ""
    only: tuple[str, ...] = ()
    places: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """The tags of the trigger."""
        return separate([self.trigger])

    @cached_property
    def rank(self) -> Callable[[str], object] | None:
        """The sort key of tags, if the rules sort."""
        rank = {"alphabetical": captions.key, "people": people_first}.get(self.order)
        if not self.places:
            return rank
        return lambda tag: (self.places.get(captions.key(tag), 0), rank(tag) if rank else 0)

    def apply(self, tags: Sequence[str]) -> list[str]:
        """Return the caption's tags; applying twice equals applying once.

        Raises:
            ConfigError: The rules do not converge: a pattern changes its own result.
        """
        result = self._settled(tags)
        if self.rank is not None:
            result = rewrite_tags.sorted_tags(result, self.rank)
        return self._with_leading(result, tags)

    def text(self, text: str) -> str:
        """Return a caption text with the rules applied to its first line.

        Like ``apply``, but tags that keep their place when shuffled are not sorted.
        """
        head, line, rest = structure.split_lines(text)
        tags = structure.plain_tags(line)
        if tags is not None:
            new = self.apply(tags)
            return text if new == tags else head + structure.SEPARATOR.join(new) + rest
        before = structure.tags_of(line)
        line = rewrite_tags.with_new_tags(line, self._with_leading(self._settled(before), before))
        if self.rank is not None:
            line = rewrite_tags.sorted_line(line, self.rank)
            tags = captions.remove(structure.tags_of(line), self.triggers)
            line = rewrite_tags.with_new_tags(line, self._with_leading(tags, before))
        return head + line + rest

    def _settled(self, tags: Sequence[str]) -> list[str]:
        """Rename, collapse or expand, and drop; the trigger is not a tag, so it is left out."""
        result = captions.unique(self._finals(list(tags)))
        if not self.known.direct:
            return result
        result = self._expanded(result) if self.expand else self.known.collapsed(result)
        return [tag for tag in result if not self._is_out(tag)]

    def _with_leading(self, tags: list[str], before: Sequence[str]) -> list[str]:
        """Move the trigger and the ``always_first`` tags to the front.

        A caption that consists of sentences and names the trigger is not changed.
        """
        if self.always_first:
            tags = captions.move_first(tags, self.always_first)
        if not self.triggers or (
            all(map(sentences.is_sentence, before)) and self._is_named(before)
        ):
            return tags
        return [*self.triggers, *tags]

    def _is_named(self, sentences: Sequence[str]) -> bool:
        text = captions.key(" ".join(sentences))
        return bool(text) and all(
            re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) for word in self._trigger_keys
        )

    @cached_property
    def _trigger_keys(self) -> frozenset[str]:
        return frozenset(captions.keys(self.triggers))

    @cached_property
    def _unwanted(self) -> Callable[[str], bool]:
        return matcher(self.drop)

    @cached_property
    def _wanted(self) -> Callable[[str], bool]:
        found = matcher(self.only)
        return lambda tag: not self.only or found(tag) or sentences.is_sentence(tag)

    def _is_trigger(self, tag: str) -> bool:
        return captions.key(tag) in self._trigger_keys

    def _is_out(self, tag: str) -> bool:
        return self._is_trigger(tag) or self._unwanted(tag) or not self._wanted(tag)

    @cached_property
    def _renames(self) -> dict[str, str]:
        return {captions.key(old): new for old, new in self.replace.items()}

    @cached_property
    def _patterns(self) -> list[tuple[Expression, str]]:
        return [(Expression(pattern), new) for pattern, new in self.regex.items()]

    @cached_property
    def _finals(self) -> TagMap:
        """The tags that each tag becomes."""
        return TagMap(self._final)

    def _final(self, tag: str) -> list[str]:
        if self._is_trigger(tag):
            return []
        names = list(self._followed(tag, ()))
        out = self._is_trigger if self.known.direct else self._is_out
        return [name for name in names if not out(name)]

    def _followed(self, tag: str, passed: tuple[str, ...]) -> Iterable[str]:
        """Follow renames to their end; a cycle of renames ends where it closes."""
        new = self._renamed(tag)
        if new == (tag,) or tag in passed:
            yield tag
            return
        if len(passed) >= _ROUNDS:
            raise _diverging(passed)
        passed = (*passed, tag)
        for part in new:
            for end in self._followed(part, passed):
                # A cycle that splits off tags would split off more each time.
                if len(new) > 1 and end in passed:
                    raise _diverging((tag, part, end))
                yield end

    def _renamed(self, tag: str) -> tuple[str, ...]:
        """Apply one step: alias, rename, patterns."""
        if sentences.is_sentence(tag):
            return (tag,)
        new = self.known.resolved(tag)
        new = self._renames.get(captions.key(new), new)
        for pattern, replacement in self._patterns:
            longer = pattern.sub(replacement, new)
            if len(longer) > max(_LONGEST, len(new)):
                raise _diverging((tag, new, longer))
            new = longer
        return (tag,) if new == tag else separate([new])

    def _expanded(self, tags: list[str]) -> list[str]:
        """Add implied tags by their final names, which may imply more."""
        for _ in range(_ROUNDS):
            more = captions.unique(self._finals(self.known.expanded(tags)))
            if len(more) == len(tags):
                break
            tags = more
        return tags


def _diverging(passed: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"The caption rules do not converge: {_short(passed[0])} becomes {_short(passed[1])}, then"
        f" {_short(passed[2])}, and so on.",
        "Anchor the pattern in [captions.regex] with ^ and $: it must not match its own result. A"
        " tag that should add another belongs in implications, with expand = true.",
    )


def _short(tag: str) -> str:
    return repr(tag if len(tag) <= _SHOWN else f"{tag[:_SHOWN]}…")
