"""All known tags in one packed table, the most frequent first.

Tags lie in one block of bytes, so that searching inside words is one scan at the speed of C, and
a table of 200,000 tags loads from its cache in milliseconds. The places where words begin are
kept in alphabetical order: what begins with some letters is found by halving. Aliases are entries
of their own that point to their tag.
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
"""To be raised when packed tables look different."""

_LENGTHS = 255
_PLAIN = b"abcdefghijklmnopqrstuvwxyz0123456789"
_OTHER = 36
"""Bit of each byte that is no letter, digit or space in a signature."""
_SPACE = 37
_SPREAD = 0x9E3779B1
"""Knuth's multiplicative hash: spreads pairs of letters over 64 bits."""
_BITS = np.uint64(1) << np.arange(64, dtype=np.uint64)
_WORD = re.compile(rb"(?<=\n)[^\n]|(?<=[^a-z0-9\x80-\xff])[a-z0-9\x80-\xff]")
"""Where a word begins: the first character of a tag, and any letter behind none."""
_CHUNK = 1 << 14
"""Keys whose signatures are made at once: bounds the memory."""


@dataclass(frozen=True)
class Word:
    """A known tag.

    Attributes:
        tag: As captions have it, with spaces.
        kind: One of ``KINDS``.
        count: Pictures with it on the board; 0 when the list has no counts.
        alias: The other name by which it was found, else empty.
    """

    tag: str
    kind: str
    count: int
    alias: str = ""


class Vocabulary:
    """A table of tags; make it with ``build`` or ``unpack``.

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
        """Where each key begins in the blob."""
        self.owners = arrays["owners"]
        """The entry of the tag that each entry stands for: itself, or that of its alias."""
        self._counts, self._kinds = arrays["counts"], arrays["kinds"]
        self._order, self._begins = arrays["order"], arrays["begins"]
        lines = arrays["names"].tobytes().decode().split("\n") if arrays["names"].size else []
        pairs = (line.partition("\t") for line in lines)
        self._names = {int(number): name for number, _, name in pairs}

    def __len__(self) -> int:
        return len(self.starts)

    @classmethod
    def build(cls, entries: Iterable[TagEntry]) -> "Vocabulary":
        """Pack tags; of tags that occur several times the first kind and the best count stay."""
        tags: dict[str, TagEntry] = {}
        for entry in entries:
            key = key_of(entry.name)
            known = tags.get(key)
            if known is not None:
                count, aliases = max(known.count, entry.count), known.aliases + entry.aliases
                tags[key] = TagEntry(known.name, known.kind, count, aliases)
            elif key:
                tags[key] = entry
        ranked = sorted(tags.items(), key=lambda item: -item[1].count)
        return cls(_packed(*_entries(ranked)))

    @classmethod
    def unpack(cls, data: bytes) -> "Vocabulary":
        """Read what ``pack`` returned.

        Raises:
            ValueError: The data is damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                return cls({name: file[name] for name in file.files})
        except (KeyError, OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError("no table of tags") from error

    def pack(self) -> bytes:
        """Return the table as bytes."""
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **self._arrays)
        return buffer.getvalue()

    def key(self, entry: int) -> str:
        """Return the key of an entry."""
        return self._key(entry).decode()

    def entry_at(self, position: int) -> int:
        """Return the entry whose key holds this position of the blob."""
        return int(self.starts.searchsorted(position, "right")) - 1

    def word(self, entry: int) -> Word:
        """Return the tag that an entry stands for."""
        owner = int(self.owners[entry])
        alias = "" if owner == entry else self._names.get(entry, self.key(entry))
        tag = self._names.get(owner, self.key(owner))
        return Word(tag, KINDS[int(self._kinds[owner])], int(self._counts[owner]), alias)

    def count(self, entry: int) -> int:
        """Return the count of the tag that an entry stands for."""
        return int(self._counts[int(self.owners[entry])])

    def find(self, tag: str) -> Word | None:
        """Return a tag by any of its spellings or aliases."""
        entry = self.entry(key_of(tag))
        return None if entry is None else self.word(entry)

    def entry(self, key: str) -> int | None:
        """Return the entry with this very key."""
        wanted = key.encode("utf-8", "replace") + b"\n"
        place = self._first(self._order, wanted, len(wanted))
        if place == len(self._order):
            return None
        start = int(self._order[place])
        found = self.blob.startswith(wanted, start)
        return self.entry_at(start) if found else None

    def beginning(self, letters: bytes, limit: int) -> list[int]:
        """Return the most frequent entries of which some word begins with these letters."""
        low = self._first(self._begins, letters, len(letters))
        high = self._first(self._begins, letters + b"\xff", len(letters) + 1)
        entries = self.starts.searchsorted(self._begins[low:high], "right") - 1
        if len(entries) > limit * 4:  # a word may begin so twice in one tag
            entries = np.partition(entries, limit * 4)[: limit * 4]
        found: list[int] = np.unique(entries)[:limit].tolist()
        return found

    def containing(self, letters: bytes, limit: int) -> Iterator[int]:
        """Yield the most frequent entries that hold these letters anywhere."""
        position, blob = 0, self.blob
        for _ in range(limit):
            position = blob.find(letters, position)
            if position < 0:
                return
            yield self.entry_at(position)
            # On with the next entry: one match for each is enough.
            position = blob.index(b"\n", position)

    def _first(self, places: NDArray[np.generic], letters: bytes, length: int) -> int:
        """Return how many of these sorted places of the blob come before some letters."""
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
    def lengths(self) -> NDArray[np.int16]:
        """Length of each key, bytes."""
        ends = np.append(self.starts[1:], len(self.blob))
        lengths: NDArray[np.int16] = np.minimum(ends - self.starts - 1, _LENGTHS).astype(np.int16)
        return lengths

    @cached_property
    def signatures(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Which letters, and which pairs of letters, each key has; one bit each, of 64."""
        return signatures(self.blob, self.starts)


def key_of(tag: str) -> str:
    """Return what a tag is found by: ``captions.key``, never with spaces at its ends."""
    return captions.key(tag).strip()


def signatures(
    blob: bytes, starts: NDArray[np.generic]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the signatures of keys that lie between newlines in ``blob``."""
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
        # The pair that begins at the newline before a key belongs to it, as does the last one.
        spread = (part[:-1].astype(np.uint32) * np.uint32(64) + part[1:]) * np.uint32(_SPREAD)
        pairs[chunk] = np.bitwise_or.reduceat(_BITS[spread >> np.uint32(26)], places - 1)
    return letters, pairs


def _entries(
    ranked: Sequence[tuple[str, TagEntry]],
) -> tuple[list[str], list[TagEntry], list[int], dict[int, str]]:
    """Return keys, tags, owners, and names that cannot be told from their keys.

    A name that is a tag is no alias; of tags that share an alias the most frequent gets it.
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
            if other and other not in taken:
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
    """Return places of the blob in the order of what follows them, up to the end of the key."""
    places.sort(key=lambda place: blob[place : blob.index(b"\n", place) + 1])
    return np.array(places, np.uint32)
