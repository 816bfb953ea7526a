"""The vocabulary: all known tags in one packed table, the most frequent first.

Tags are in one block of bytes, so that searching inside words is one scan in C, and
a table of 200,000 tags loads from its cache in milliseconds. The offsets of words are
sorted alphabetically, so that prefixes are found by binary search. Aliases are entries
that point to their tag.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.captions.tag_lists import KINDS, TagEntry

VERSION = 1
"""Version of the packed format: raise it when the format changes."""

LONGEST = 200
"""Maximum of letters of a tag: what is longer is text, whose words would take the memory and time
of the square of its length."""
_LENGTHS = 255
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789"
_OTHER = 36
"""Signature bit of bytes other than letters, digits and spaces."""
_SPACE = 37
_SPREAD = 0x9E3779B1
"""Knuth's multiplicative hash: spreads pairs of letters over 64 bits."""
_BITS = np.uint64(1) << np.arange(64, dtype=np.uint64)
_WORD = re.compile(rb"(?<=\n)[^\n]|(?<=[^a-z0-9\x80-\xff])[a-z0-9\x80-\xff]")
"""Start of a word: the first character of a tag, and any letter not preceded by a letter."""
_CHUNK = 1 << 14
"""Keys whose signatures are computed at once, to bound memory."""


@dataclass(frozen=True)
class Word:
    """A known tag.

    Attributes:
        tag: Spelled as in captions, with spaces.
        kind: One of ``KINDS``.
        count: Posts with it on the booru; 0 if the list has no counts.
        alias: The other name by which it was found, else empty.
    """

    tag: str
    kind: str
    count: int
    alias: str = ""


class Vocabulary:
    """A table of tags; create it with ``build`` or ``unpack``.

    Example:
        >>> words = Vocabulary.build([TagEntry("long_hair", count=9, aliases=("longhair",))])
        >>> words.find("Long Hair"), words.find("longhair").alias, words.find("hat")
        (Word(tag='long hair', kind='general', count=9, alias=''), 'longhair', None)
    """

    def __init__(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        self._arrays = arrays
        self.blob = arrays["blob"].tobytes()
        """Keys of all entries, each between newlines, the most frequent first."""
        self.starts = arrays["starts"]
        """Offset of each key in the blob."""
        self.owners = arrays["owners"]
        """The entry of the tag of each entry: itself, or the target of the alias."""
        self._counts, self._kinds = arrays["counts"], arrays["kinds"]
        self._order, self._begins = arrays["order"], arrays["begins"]
        lines = arrays["names"].tobytes().decode().split("\n") if arrays["names"].size else []
        pairs = (line.partition("\t") for line in lines)
        self._names = {int(number): name for number, _, name in pairs}

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def build(cls, entries: Iterable[TagEntry]) -> "Vocabulary":
        """Pack tags; of repeated tags, the first kind and the highest count stay.

        What is longer than ``LONGEST`` is left out.
        """
        tags: dict[str, TagEntry] = {}
        for entry in entries:
            key = key_of(entry.name)
            known = tags.get(key)
            if known is not None:
                count, aliases = max(known.count, entry.count), known.aliases + entry.aliases
                tags[key] = TagEntry(known.name, known.kind, count, aliases)
            elif 0 < len(key) <= LONGEST:
                tags[key] = entry
        ranked = sorted(tags.items(), key=lambda item: -item[1].count)
        return cls(_packed(*_entries(ranked)))

    @classmethod
    def unpack(cls, data: bytes) -> "Vocabulary":
        """Read the output of ``pack``.

        Raises:
            ValueError: The data is damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                return cls({name: file[name] for name in file.files})
        except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError("not a table of tags") from error

    def pack(self) -> bytes:
        """Return the table as bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self._arrays)
        return buffer.getvalue()

    def key(self, entry: int) -> str:
        """Return the key of an entry."""
        return self._key(entry).decode()

    def entry_at(self, position: int) -> int:
        """Return the entry whose key contains this offset of the blob."""
        return int(self.starts.searchsorted(position, "right")) - 1

    def word(self, entry: int) -> Word:
        """Return the tag of an entry."""
        owner = int(self.owners[entry])
        alias = "" if owner == entry else self._names.get(entry, self.key(entry))
        tag = self._names.get(owner, self.key(owner))
        return Word(tag, KINDS[int(self._kinds[owner])], int(self._counts[owner]), alias)

    def count(self, entry: int) -> int:
        """Return the count of the tag of an entry."""
        return int(self._counts[int(self.owners[entry])])

    def find(self, tag: str) -> Word | None:
        """Return a tag by any of its spellings or aliases."""
        entry = self.entry(key_of(tag))
        return None if entry is None else self.word(entry)

    def entry(self, key: str) -> int | None:
        """Return the entry with exactly this key."""
        wanted = key.encode("utf-8", "replace") + b"\n"
        place = self._first(self._order, wanted, len(wanted))
        if place == len(self._order):
            return None
        start = int(self._order[place])
        found = self.blob.startswith(wanted, start)
        return self.entry_at(start) if found else None

    def beginning(self, letters: bytes, limit: int) -> list[int]:
        """Return the most frequent entries with a word that starts with these letters."""
        low = self._first(self._begins, letters, len(letters))
        high = self._first(self._begins, letters + b"\xff", len(letters) + 1)
        entries = self.starts.searchsorted(self._begins[low:high], "right") - 1
        if len(entries) > limit * 4:  # two words of one tag may start like this
            entries = np.partition(entries, limit * 4)[: limit * 4]
        found: list[int] = np.unique(entries)[:limit].tolist()
        return found

    def containing(self, letters: bytes, limit: int) -> Iterator[int]:
        """Yield the most frequent entries that contain these letters anywhere."""
        position, blob = 0, self.blob
        for _ in range(limit):
            position = blob.find(letters, position)
            if position < 0:
                return
            yield self.entry_at(position)
            # Continue with the next entry: one match per entry is enough.
            position = blob.index(b"\n", position)

    def _first(self, places: NDArray[np.generic], letters: bytes, length: int) -> int:
        """Return how many of these sorted offsets sort before some letters."""
        low, high, blob = 0, len(places), self.blob
        while low < high:
            middle = (low + high) // 2
            start = int(places[middle])
            if blob[start : start + length] < letters:
                low = middle + 1
            else:
                high = middle
        return low

    def _key(self, entry: int) -> bytes:
        start = int(self.starts[entry])
        return self.blob[start : self.blob.index(b"\n", start)]

    @cached_property
    def counts(self) -> NDArray[np.uint32]:
        """Count of the tag of each entry."""
        counts: NDArray[np.uint32] = self._counts[self.owners].astype(np.uint32)
        return counts

    @cached_property
    def lengths(self) -> NDArray[np.int16]:
        """Length of each key, bytes."""
        ends = np.append(self.starts[1:], len(self.blob))
        lengths: NDArray[np.int16] = np.minimum(ends - self.starts - 1, _LENGTHS).astype(np.int16)
        return lengths

    @cached_property
    def signatures(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """The letters, and the pairs of letters, of each key, as 64-bit sets."""
        return signatures(self.blob, self.starts)


def key_of(tag: str) -> str:
    """Return the lookup key of a tag: ``captions.key`` without spaces at its ends."""
    return captions.key(tag).strip()


def signatures(
    blob: bytes, starts: NDArray[np.generic]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the signatures of keys separated by newlines in ``blob``."""
    table = np.full(256, _OTHER, np.uint8)
    table[np.frombuffer(_PLAIN, np.uint8)] = np.arange(len(_PLAIN), dtype=np.uint8)
    table[[10, 32]] = _SPACE  # the ends of a key count as spaces
    classes = table[np.frombuffer(blob, np.uint8)]
    begins = starts.astype(np.int64)
    letters, pairs = np.empty(len(begins), np.uint64), np.empty(len(begins), np.uint64)
    for first in range(0, len(begins), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        offset = begins[first] - 1
        end = begins[first + _CHUNK] if first + _CHUNK < len(begins) else len(blob)
        part, places = classes[offset:end], begins[chunk] - offset
        letters[chunk] = np.bitwise_or.reduceat(_BITS[part], places)
        # The pair that starts at the newline before a key belongs to it, like the last one.
        spread = (part[:-1].astype(np.uint32) * np.uint32(64) + part[1:]) * np.uint32(_SPREAD)
        pairs[chunk] = np.bitwise_or.reduceat(_BITS[spread >> np.uint32(26)], places - 1)
    return letters, pairs


def _entries(
    ranked: Sequence[tuple[str, TagEntry]],
) -> tuple[list[str], list[TagEntry], list[int], dict[int, str]]:
    """Return keys, tags, owners, and names that cannot be derived from their keys.

    A name that is a tag is not an alias; if tags share an alias, the most frequent gets it.
    """
    keys: list[str] = []
    tags: list[TagEntry] = []
    owners: list[int] = []
    names: dict[int, str] = {}
    taken = {key for key, _ in ranked}
    for key, tag in ranked:
        owner = len(keys)
        spellings = [(key, tag.name)]
        for alias in tag.aliases:
            other = key_of(alias)
            if 0 < len(other) <= LONGEST and other not in taken:
                taken.add(other)
                spellings.append((other, alias))
        for spelling, name in spellings:
            shown = captions.spaced(name)
            if shown != spelling:
                names[len(keys)] = shown
            keys.append(spelling)
            tags.append(tag)
            owners.append(owner)
    return keys, tags, owners, names


def _packed(
    keys: Sequence[str], tags: Sequence[TagEntry], owners: Sequence[int], names: dict[int, str]
) -> dict[str, NDArray[np.generic]]:
    encoded = [key.encode("utf-8", "replace").replace(b"\n", b" ") for key in keys]
    lengths = np.array([len(key) + 1 for key in encoded], np.int64)
    starts = np.cumsum(lengths) - lengths + 1
    shown = "\n".join(f"{number}\t{name}" for number, name in names.items())
    blob = b"\n" + b"".join(key + b"\n" for key in encoded)
    return {
        "blob": np.frombuffer(blob, np.uint8),
        "starts": starts.astype(np.uint32),
        "order": _alphabetical(blob, starts.tolist()),
        "begins": _alphabetical(blob, [match.start() for match in _WORD.finditer(blob)]),
        "owners": np.array(owners, np.uint32),
        "counts": np.array([min(tag.count, 2**32 - 1) for tag in tags], np.uint32),
        "kinds": np.array([tag.kind for tag in tags], np.uint8),
        "names": np.frombuffer(shown.encode("utf-8", "replace"), np.uint8),
    }


def _alphabetical(blob: bytes, places: list[int]) -> NDArray[np.uint32]:
    """Return offsets sorted by the text that follows them, up to the end of the key."""
    places.sort(key=lambda place: blob[place : blob.index(b"\n", place) + 1])
    return np.array(places, np.uint32)
