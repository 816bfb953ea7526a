"""Tag completion for the letters typed so far, at every keystroke.

Matches are found anywhere in a tag, its aliases or its translation. Matches at the start of a word
come before those inside a word, tags of the dataset before others, then the most frequent first.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from prep.captions import spaced
from prep.captions.tag_lists import TagEntry
from prep.captions.translations import Translations
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
        translation: What it means in the user's language, if that is known.
    """

    tag: str
    images: int
    count: int
    kind: str
    alias: str = ""
    translation: str = ""


class Completer:
    """Completes tags from a vocabulary and from the tags of a dataset.

    Example:
        >>> words = Vocabulary.build([TagEntry("long_hair", 0, 9), TagEntry("chair", 0, 3)])
        >>> completer = Completer(words, {"hair bow": 2})
        >>> [found.tag for found in completer.complete("hair")]
        ['hair bow', 'long hair', 'chair']
    """

    def __init__(
        self,
        words: Vocabulary,
        dataset: Mapping[str, int] | None = None,
        translations: Translations | None = None,
    ) -> None:
        """Prepare completion.

        Args:
            words: The vocabulary.
            dataset: Tags of the dataset, with their number of images.
            translations: Of tags, whose letters are matched as well.
        """
        self._words = words
        self._translations = translations or Translations(())
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
        found = self._translated(text, limit)
        for source, entry in self._matches(typed.encode("utf-8", "replace"), limit):
            if len(found) >= limit:
                break
            self._add(found, source, entry)
        if not found and len(typed) >= _LEAST_FUZZY:
            for source in (self._dataset, self._words):
                for entry, _ in near(source, typed)[: limit - len(found)]:
                    self._add(found, source, entry)
        return [replace(one, translation=self._translations.of(one.tag)) for one in found.values()]

    def _translated(self, text: str, limit: int) -> dict[str, TagCompletion]:
        """Return the tags whose translation has this text, by their keys; the dataset's first."""
        found: dict[str, TagCompletion] = {}
        if text.isascii():  # the letters of tags themselves
            return found
        for tag in self._translations.tags(text, _WIDER * limit):
            source = next((one for one in (self._dataset, self._words) if one.find(tag)), None)
            entry = None if source is None else source.entry(key_of(tag))
            if source is None or entry is None:
                found[tag] = TagCompletion(spaced(tag), 0, 0, "")
            else:
                self._add(found, source, entry)
        ranked = sorted(found.items(), key=lambda item: not item[1].images)
        return dict(ranked[:limit])

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
