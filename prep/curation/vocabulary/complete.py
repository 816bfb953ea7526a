"""Tag completion for the letters typed so far, at every keystroke.

Matches are found anywhere in a tag or its aliases. Matches at the start of a word come before those
inside a word, tags of the dataset before others, then the most frequent first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prep.captions.tag_lists import TagEntry
from prep.curation.vocabulary.nearest import near
from prep.curation.vocabulary.words import Vocabulary, key_of

_WIDER = 3
"""Factor of matches examined over those wanted: a tag may match again by its aliases, and
those at the start of a word also match inside words."""
_LEAST_FUZZY = 4
"""Minimum of letters for guessing at misspelt input."""


@dataclass(frozen=True)
class TagCompletion:
    """One suggestion.

    Attributes:
        tag: The tag to insert.
        images: Number of images of the dataset that have it.
        count: Posts with it on the booru; 0 if unknown.
        kind: Its kind, such as ``general`` or ``character``; empty if unknown.
        alias: The other name that matched, else empty.
    """

    tag: str
    images: int
    count: int
    kind: str
    alias: str = ""


class Completer:
    """Completes tags from a vocabulary and from the tags of a dataset.

    Example:
        >>> words = Vocabulary.build([TagEntry("long_hair", 0, 9), TagEntry("chair", 0, 3)])
        >>> completer = Completer(words, {"hair bow": 2})
        >>> [found.tag for found in completer.complete("hair")]
        ['hair bow', 'long hair', 'chair']
    """

    def __init__(self, words: Vocabulary, dataset: Mapping[str, int] | None = None) -> None:
        """Prepare completion.

        Args:
            words: The vocabulary.
            dataset: Tags of the dataset, with their number of images.
        """
        self._words = words
        self._dataset = Vocabulary.build(
            TagEntry(tag, count=images) for tag, images in (dataset or {}).items()
        )

    def complete(self, text: str, limit: int = 20) -> list[TagCompletion]:
        """Return the best suggestions for the letters typed so far.

        If nothing matches, tags that differ by a letter or two are suggested.
        """
        typed = key_of(text)
        if not typed or limit < 1:
            return []
        found: dict[str, TagCompletion] = {}
        for source, entry in self._matches(typed.encode("utf-8", "replace"), limit):
            self._add(found, source, entry)
            if len(found) >= limit:
                break
        if not found and len(typed) >= _LEAST_FUZZY:
            for source in (self._dataset, self._words):
                for entry, _ in near(source, typed)[: limit - len(found)]:
                    self._add(found, source, entry)
        return list(found.values())

    def _matches(self, typed: bytes, limit: int) -> Iterator[tuple[Vocabulary, int]]:
        both = (self._dataset, self._words)
        for source in both:
            exact = source.entry(typed.decode("utf-8", "replace"))
            if exact is not None:
                yield source, exact
        for source in both:
            yield from ((source, entry) for entry in source.beginning(typed, _WIDER * limit))
        for source in both:
            yield from ((source, entry) for entry in source.containing(typed, _WIDER * limit))

    def _add(self, found: dict[str, TagCompletion], source: Vocabulary, entry: int) -> None:
        word = source.word(entry)
        key = key_of(word.tag)
        if key in found:
            return
        if source is self._dataset:
            known = self._words.find(word.tag)
            # A dataset may use an alias: it is completed as written there.
            count, kind = (known.count, known.kind) if known else (0, "")
            found[key] = TagCompletion(word.tag, word.count, count, kind)
        else:
            own = self._dataset.entry(key)
            images = 0 if own is None else self._dataset.count(own)
            found[key] = TagCompletion(word.tag, images, word.count, word.kind, word.alias)
