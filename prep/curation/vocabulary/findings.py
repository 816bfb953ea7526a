"""Problems of the tags of a dataset, checked against the tags that the base model knows.

- ``spelling``: one tag written in several ways inside the dataset
- ``alias``: a name that the booru has replaced with another
- ``typo``: a word that nobody uses, close to a common tag
- ``unknown``: on no list; fine for trigger words and your own names

Findings about trigger words are in ``prep.curation.vocabulary.triggers``.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from prep.captions.tag_lists import TagEntry
from prep.curation.vocabulary.nearest import near
from prep.curation.vocabulary.usage import Usage, is_tag
from prep.curation.vocabulary.words import Vocabulary, Word
from prep.events.words import Lint
from prep.language import english, quantity

WARNING, INFO = "warning", "info"

_COMMONER = 100
"""Factor by which the rarest word of a misspelling is rarer than the intended tag."""
_OWN_COMMONER = 5
"""The same within the dataset, in images."""
_RARE = 10
"""Number of posts below which a tag may be a misspelling on the booru as well."""
_FAR_COMMONER = 10_000
_AFTER_WORDS = (b"\n", b" ", b")", b"-", b"'", b":", b".", b"/", b"!")
_LOOSE = re.compile(r"[\s\-_'.]+")
_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Linter:
    """Compares the tags of a dataset with a vocabulary.

    Attributes:
        words: The vocabulary; it may be empty.
        usage: The dataset.
        right: Spellings, by key, that are correct whatever the lists say: trigger words and the
            user's own tags.
    """

    words: Vocabulary
    usage: Usage
    right: Mapping[str, str]

    def spellings(self) -> Iterator[Lint]:
        """Yield tags that are written in several ways: by case, underscores, brackets, hyphens."""
        for key, counts in self.usage.spellings.items():
            if not is_tag(key):
                continue
            usual = self.right.get(key) or self.usage.usual(key)
            for spelling, images in counts.items():
                if spelling != usual:
                    message = _usual(counts[usual], usual)
                    if "\\" in spelling:
                        message = "trainers read the backslash as text"
                    yield Lint("spelling", WARNING, spelling, images, usual, message)
        groups: dict[str, list[str]] = defaultdict(list)
        for key in self.usage.spellings:
            loose = _LOOSE.sub("", key)
            if len(loose) > 1 and is_tag(key) and _LETTERS.search(loose):
                groups[loose].append(key)
        for group in groups.values():
            yield from self._joined(group)

    def _joined(self, group: list[str]) -> Iterator[Lint]:
        """Yield the tags of a group that differ from the best one only in spaces and hyphens."""
        known = [key for key in group if self._canonical(key)]
        if len(group) < 2 or len(known) > 1:
            return
        best = known[0] if known else max(group, key=self.usage.images)
        usual = self.usage.usual(best)
        for key in group:
            if key != best and key not in self.right and self.words.entry(key) is None:
                message = _usual(self.usage.images(best), usual)
                images = self.usage.images(key)
                yield Lint("spelling", WARNING, self.usage.usual(key), images, usual, message)

    def tag(self, key: str, dataset: Vocabulary) -> Lint | None:
        """Return the finding about one tag, if any.

        Args:
            key: Key of a tag in the dataset.
            dataset: The tags of the dataset as a table, counts being images.
        """
        if key in self.right or not is_tag(key):
            return None
        images, usual = self.usage.images(key), self.usage.usual(key)
        word = self.words.find(key)
        if word is not None and word.alias:
            message = f"an alias; {_pictures(word)}"
            return Lint("alias", WARNING, usual, images, _manner(usual, word.tag), message)
        if word is not None and not 0 < word.count < _RARE:
            return None
        meant = self._meant(key, dataset, 0 if word is None else word.count)
        if meant is not None:
            suggestion, message = meant
            return Lint("typo", WARNING, usual, images, _manner(usual, suggestion), message)
        if word is None and len(self.words):
            return Lint("unknown", INFO, usual, images, "", "on no list")
        return None

    def _meant(self, key: str, dataset: Vocabulary, count: int) -> tuple[str, str] | None:
        """Return the tag that was meant, and why; ``None`` if it may be correct."""
        best: tuple[float, str, str] | None = None
        for source in (self.words, dataset):
            own = source is dataset
            # Of the dataset's own tags only those that outweigh this one are worth comparing.
            at_least = _OWN_COMMONER * self.usage.images(key) if own else 0
            for entry, edits in near(source, key, at_least=at_least):
                other = source.key(entry)
                if not _comparable(key, other):
                    continue
                word = source.word(entry)
                # One more edit must be outweighed by a thousand times as many posts.
                score = len(str(word.count)) - 3.0 * edits - (key[0] != other[0])
                reason = _own(word) if own else _pictures(word)
                enough = own or self._rare_enough(key, source.count(entry), count)
                if enough and (best is None or score > best[0]):
                    best = score, word.tag, f"{quantity(edits, 'letter')} off; {reason}"
        return None if best is None else best[1:]

    def _rare_enough(self, key: str, meant: int, count: int) -> bool:
        """Return whether the frequent tag was probably meant: not if all words are in use."""
        if count:
            return meant >= _FAR_COMMONER * count
        if len(self.words) == 0:
            return True
        weakest = min(map(self._weight, _LETTERS.findall(key)), default=0)
        return weakest < 0 or meant >= _COMMONER * max(1, weakest)

    def _weight(self, word: str) -> int:
        """Return the count of the most frequent tag with exactly this word; -1 for none."""
        letters = word.encode("utf-8", "replace")
        found = (
            self.words.count(entry)
            for after in _AFTER_WORDS
            for entry in self.words.beginning(letters + after, 1)
        )
        return max(found, default=-1)

    def _canonical(self, key: str) -> bool:
        word = self.words.find(key)
        return word is not None and not word.alias


def dataset_table(usage: Usage) -> Vocabulary:
    """Return the tags of a dataset as a table, counts being images."""
    return Vocabulary.build(TagEntry(tag, count=images) for tag, images in usage.tags().items())


def by_weight(found: Iterable[Lint]) -> list[Lint]:
    """Sort findings: warnings first, then those of the most images."""
    return sorted(found, key=lambda item: (item.severity != WARNING, -item.images, item.tag))


def _comparable(key: str, other: str) -> bool:
    """Return whether one may be a misspelling of the other: not if numbers differ (2girls)."""
    return _DIGITS.findall(key) == _DIGITS.findall(other)


def _manner(spelling: str, tag: str) -> str:
    """Write a tag with underscores if the dataset does so."""
    if "_" in spelling and " " not in spelling:
        return tag.replace(" ", "_")
    return tag


def _usual(images: int, spelling: str) -> str:
    return english(
        "{count} image spells it {spelling}",
        "{count} images spell it {spelling}",
        images,
        spelling=repr(spelling),
    )


def _own(word: Word) -> str:
    return english("{count} image here has it", "{count} images here have it", word.count)


def _pictures(word: Word) -> str:
    if not word.count:
        return f"{word.tag!r} is on the list"
    return f"{word.tag!r} has {word.count:,} pictures"
