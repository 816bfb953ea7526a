"""Finished messages, translated: the English text is compared with the templates it was made from.

Errors and events are made far below anything that is shown, with their values in them:
``f"{path} is not an image."``. The catalogue has ``{path} is not an image.``, and where such a
message is shown it is found again among these templates, and its values are put into the
translation. So nothing below knows of languages, and logs, JSON and files are English.
"""

import re
import struct
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from string import Formatter
from typing import NamedTuple

_WORD = re.compile(r"[A-Za-z]{2,}")
_LINKS = (
    (re.compile(r"(?<=[.!?]) +(?=[A-Z\"'(])"), " "),
    (re.compile(r"; "), "；"),
    (re.compile(r", "), "、"),
)
"""What ends the parts of a line, and what joins their translations."""
_DEEPEST = 3
"""Messages within messages within messages."""
_LONGEST = 2000
"""Characters of a line; what is longer is no message, but somebody's output."""


class _Template(NamedTuple):
    """An English text with gaps, and its translation.

    Attributes:
        literals: What stands before, between and after the gaps.
        names: The names of the gaps.
        translation: The other language's text, for ``str.format``.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: str

    @property
    def weight(self) -> int:
        """Characters that are not in gaps: the more there are, the surer the match."""
        return sum(map(len, self.literals))


class Templates:
    """All texts of a catalogue, to translate finished messages with."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """Make ready.

        Args:
            texts: English -> translation; ``{name}`` stands for a value in both.
        """
        self._texts = texts
        self._by_word: dict[str, list[_Template]] = defaultdict(list)
        found = [each for pair in texts.items() if (each := _template(*pair))]
        words = [_words_of(each) for each in found]
        common = Counter(word for each in words for word in each)
        for template, own in zip(found, words, strict=True):
            # Found by its rarest word; without one, it would match nearly anything.
            if own:
                self._by_word[min(own, key=lambda word: (common[word], word))].append(template)

    def translated(self, text: str) -> str:
        """Return a message in the other language, each line by itself; unknown ones as they are.

        A value of a message that is a message itself is translated, too. A single word never is:
        it may be the name of a file.
        """
        return "\n".join(self._line(line) for line in text.split("\n"))

    def _line(self, line: str) -> str:
        inner = line.strip()
        if not inner or len(inner) > _LONGEST:
            return line
        found = self._found(inner, 0)
        return line if found is None else line.replace(inner, found, 1)

    def _found(self, text: str, depth: int) -> str | None:
        """Return the translation of a text or of its parts; ``None`` if there is none."""
        if (exact := self._texts.get(text)) is not None:
            return exact
        if depth > _DEEPEST:
            return None
        if (joined := self._linked(text, depth, all)) is not None:
            return joined
        for template in self._candidates(text):
            values = _values(template.literals, text)
            if values is not None:
                shown = [self._value(value, depth) for value in values]
                named = dict(zip(template.names, shown, strict=True))
                return template.translation.format(**named)
        return self._in_parts(text, depth)

    def _candidates(self, text: str) -> list[_Template]:
        words = set(_WORD.findall(text))
        found = [each for word in words for each in self._by_word.get(word, ())]
        return sorted(found, key=lambda template: -template.weight)

    def _value(self, value: str, depth: int) -> str:
        if " " not in value.strip():
            return value
        found = self._found(value.strip(), depth + 1)
        return value if found is None else value.replace(value.strip(), found, 1)

    def _in_parts(self, text: str, depth: int) -> str | None:
        """Translate what is known of the parts of a text, and a reason behind a name by itself."""
        if (joined := self._linked(text, depth, any)) is not None:
            return joined
        name, colon, reason = text.partition(": ")
        if colon and (found := self._found(reason, depth + 1)) is not None:
            return f"{self._value(name, depth)}: {found}"
        return None

    def _linked(
        self, text: str, depth: int, enough: Callable[[Iterable[bool]], bool]
    ) -> str | None:
        """Translate sentences, or what is linked by ``;`` or commas, one by one.

        Args:
            text: The text.
            depth: How deep it is within others.
            enough: ``all`` or ``any`` of the parts must be known.
        """
        for link, join in _LINKS:
            parts = link.split(text)
            if len(parts) > 1:
                shown = [self._found(part, depth + 1) for part in parts]
                if enough(each is not None for each in shown):
                    pairs_ = zip(parts, shown, strict=True)
                    return _joined(join, (part if new is None else new for part, new in pairs_))
        return None


def _joined(join: str, parts: Iterable[str]) -> str:
    """Join parts; behind a full-width full stop there is no space."""
    return re.sub(r"(?<=[。！？]) ", "", join.join(parts))


def _template(text: str, translation: str) -> _Template | None:
    """Take a text apart at its gaps; ``None`` if it has none, or is no template."""
    literals, names = [""], []
    try:
        for literal, name, _spec, _conversion in Formatter().parse(text):
            literals[-1] += literal
            if name is not None:
                names.append(name)
                literals.append("")
    except ValueError:  # a brace of another kind
        return None
    if not names or not all(name.isidentifier() for name in names):
        return None
    return _Template(tuple(literals), tuple(names), translation)


def _words_of(template: _Template) -> set[str]:
    """Return the words that a message must have; not those that a value may have grown into."""
    found: set[str] = set()
    last = len(template.literals) - 1
    for place, literal in enumerate(template.literals):
        for match in _WORD.finditer(literal):
            grows = (match.start() == 0 and place > 0) or (
                match.end() == len(literal) and place < last
            )
            if not grows:
                found.add(match[0])
    return found


def _values(literals: tuple[str, ...], text: str) -> list[str] | None:
    """Return what a message has in the gaps of a template; ``None`` if it is not of it.

    Each literal is taken where it first occurs, which finds a match wherever there is one, in
    linear time.
    """
    first, *middle, last = literals
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return None
    values = []
    for literal in middle:
        found = text.find(literal, at, end)
        if found < 0:
            return None
        values.append(text[at:found])
        at = found + len(literal)
    return [*values, text[at:end]]


def pairs(data: bytes) -> dict[str, str]:
    """Return the texts of a compiled catalogue; of plural forms, both English ones.

    The format is described in GNU gettext's manual, "The Format of GNU MO Files". The module of
    the standard library looks texts up, but does not list them.
    """
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, originals, translations = struct.unpack_from(f"{order}3I", data, 8)
    found: dict[str, str] = {}
    for number in range(count):
        texts = []
        for table in (originals, translations):
            size, at = struct.unpack_from(f"{order}2I", data, table + 8 * number)
            texts.append(data[at : at + size].decode("utf-8").split("\0"))
        english, other = texts
        for place, text in enumerate(english):
            if text:
                found[text] = other[min(place, len(other) - 1)]
    return found
