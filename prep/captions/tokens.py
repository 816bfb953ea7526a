"""Captions in CLIP tokens, as the text encoders of SD 1.5 and SDXL count them; offline.

The vocabulary is bundled (``merges.txt.gz``). The tokenizer is our own: the packages that have
one bring torch along, lack wheels for newer Pythons, or cannot say where a text is cut. The tests
compare it with the one of transformers.

A text encoder reads 75 tokens at a time, between a begin and an end mark; trainers cut captions
after 75, 150 or 225. Counts here exclude the marks.
"""

import gzip
import re
import unicodedata
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the index may use counts itself
    pass

LIMITS = (75, 150, 225)
"""Where captions are cut: after one, two or three windows of a text encoder."""
BEGIN, END = 49406, 49407
"""Ids of the begin and end marks of each window."""

_MERGES = Path(__file__).with_name("merges.txt.gz")
_WORD_END = "</w>"
_WORD = re.compile(r"\S+")
_PIECE = re.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+"
)
_MARKS = {"<|startoftext|>": BEGIN, "<|endoftext|>": END}
_SHIFT, _SECOND = 16, 0xFFFF
"""Ids fit 16 bits: the first of a pair is above, the second below."""
_REMEMBERED = 1 << 18
"""Maximum of words cached with their tokens."""

Token = tuple[int, int]
"""The id of a token and its length in UTF-8 bytes."""


@dataclass(frozen=True)
class Cut:
    """One caption against one limit.

    Attributes:
        count: Tokens of the whole text, without marks.
        at: Characters that fit; ``None`` if all do.
    """

    count: int
    at: int | None


class ClipTokenizer:
    """Byte-pair encoding with CLIP's vocabulary; use the shared one, ``clip_tokenizer()``.

    Example:
        >>> clip_tokenizer().encode("a photo of a cat")
        [320, 1125, 539, 320, 2368]
    """

    def __init__(self, merges: Path = _MERGES) -> None:
        """Read the merges: one pair per line, the most frequent first (30 ms)."""
        lines = gzip.decompress(merges.read_bytes()).decode().splitlines()
        self._bytes = _byte_letters()
        letters = list(self._bytes)
        self._letters = [*letters, *(letter + _WORD_END for letter in letters)]
        self._by_byte = {byte: number for number, byte in enumerate(self._bytes.values())}
        ids = {name: number for number, name in enumerate(self._letters)}
        # Pairs of ids, each as one number: a third of the memory that pairs of texts take.
        self._pairs: dict[int, int] = {}
        self._parts = array("I")
        for number, line in enumerate(lines, len(ids)):
            first, _, second = line.partition(" ")
            pair = ids[first] << _SHIFT | ids[second]
            ids[first + second] = self._pairs[pair] = number
            self._parts.append(pair)
        self._known: dict[str, tuple[Token, ...]] = {}

    @property
    def merges(self) -> list[tuple[str, str]]:
        """The pairs to merge, the most frequent first."""
        return [(self._name(pair >> _SHIFT), self._name(pair & _SECOND)) for pair in self._parts]

    @property
    def vocabulary(self) -> dict[str, int]:
        """Return the id of each token by its name, the marks last."""
        names = [*map(self._name, range(BEGIN)), *_MARKS]
        return {name: number for number, name in enumerate(names)}

    def _name(self, number: int) -> str:
        """Return the letters of a token, with a mark at the end of a word."""
        if number < len(self._letters):
            return self._letters[number]
        pair = self._parts[number - len(self._letters)]
        return self._name(pair >> _SHIFT) + self._name(pair & _SECOND)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text's tokens, without marks."""
        return [number for word in text.split() for number, _ in self.word(word)]

    def count(self, text: str) -> int:
        """Return the number of tokens of a text, without marks."""
        return sum(len(self.word(word)) for word in text.split())

    def pieces(self, text: str) -> list[tuple[int, str]]:
        """Return the id of each token of a text and the text it encodes.

        Example:
            >>> clip_tokenizer().pieces("mychara")
            [(1152, 'my'), (35668, 'chara')]
        """
        return [(number, self._text(number)) for number in self.encode(text)]

    def _text(self, number: int) -> str:
        letters = self._name(number).removesuffix(_WORD_END) if number < BEGIN else ""
        return bytes(self._bytes[letter] for letter in letters).decode("utf-8", "replace")

    def cut(self, text: str, limit: int) -> Cut:
        """Find where a text is cut if only ``limit`` tokens are read.

        Example:
            >>> clip_tokenizer().cut("a photo of a cat", 3)
            Cut(count=5, at=10)
        """
        (at,) = self.places(text, (limit,))
        return Cut(self.count(text), at)

    def places(self, text: str, limits: Iterable[int] = LIMITS) -> list[int | None]:
        """Return, for each limit, the number of characters that fit; ``None`` if all do."""
        found: list[int | None] = []
        words = [(match[0], match.start()) for match in _WORD.finditer(text)]
        for limit in limits:
            room, place = limit, None
            for word, start in words:
                tokens = self.word(word)
                if len(tokens) > room:
                    place = len(text[: start + _characters(word, tokens[:room])].rstrip())
                    break
                room -= len(tokens)
            found.append(place)
        return found

    def word(self, word: str) -> tuple[Token, ...]:
        """Return the tokens of a text without whitespace."""
        tokens = self._known.get(word)
        if tokens is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            tokens = self._known[word] = tuple(self._encoded(_normal(word)))
        return tokens

    def _encoded(self, word: str) -> Iterable[Token]:
        for match in _PIECE.finditer(_shadow(word)):
            piece = word[slice(*match.span())]
            if piece in _MARKS:
                yield _MARKS[piece], len(piece)
                continue
            for number in self._merged([self._by_byte[byte] for byte in piece.encode()]):
                yield number, len(self._name(number).removesuffix(_WORD_END))

    def _merged(self, parts: list[int]) -> list[int]:
        """Merge neighbours, the most frequent pair first, until no known pair is left."""
        parts[-1] += len(self._bytes)  # the same letter at the end of a word
        while len(parts) > 1:
            pairs = [first << _SHIFT | second for first, second in pairwise(parts)]
            best = min(pairs, key=lambda pair: self._pairs.get(pair, BEGIN))
            merged = self._pairs.get(best)
            if merged is None:
                break
            joined: list[int] = []
            position = 0
            while position < len(parts):
                hit = position < len(pairs) and pairs[position] == best
                joined.append(merged if hit else parts[position])
                position += 2 if hit else 1
            parts = joined
        return parts


@lru_cache(maxsize=1)
def clip_tokenizer() -> ClipTokenizer:
    """Return the shared tokenizer."""
    return ClipTokenizer()


def _normal(word: str) -> str:
    return unicodedata.normalize("NFC", word).lower()


def _shadow(word: str) -> str:
    """Return a text of the same length with non-ASCII letters and digits replaced by ASCII ones."""
    if word.isascii():
        return word
    return "".join(letter if letter.isascii() else _class(letter) for letter in word)


def _class(letter: str) -> str:
    return {"L": "a", "N": "0"}.get(unicodedata.category(letter)[0], "\x01")


def _characters(word: str, tokens: tuple[Token, ...]) -> int:
    """Return how many characters of a word the given first tokens encode."""
    normal = _normal(word)
    if len(normal) != len(word):  # composed or folded into other letters: cut before the word
        return 0
    length = sum(size for _, size in tokens)
    return len(normal.encode()[:length].decode("utf-8", "ignore"))


def _byte_letters() -> dict[str, int]:
    """Return the letter that represents each byte in the vocabulary, in the order of ids."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    return letters | {chr(256 + number): byte for number, byte in enumerate(others)}
