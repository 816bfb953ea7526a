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
_SENTENCE_END = re.compile(
    r"(?<=[^\W_.]{2}[.!?]) +|(?<=[)\]%\"'][.!?]) +|(?<=\d[.!?]) +(?=[A-Z\"'(])"
)
"""The next sentence may begin with the name of a file, which begins with anything."""
_COLUMN = r"(?<!/)  "
"""What stands between the columns of a table; a name may begin with spaces."""
_BETWEEN = re.compile(f": |{_COLUMN}")
"""What stands between two parts of a line, and in no name that a message begins with."""
_FORMAT = re.compile(r"\{(\w+)[:!][^{}]*\}")
_FILE = re.compile(r"[^:]*\.\w{2,5}")
_REMARKS = (re.compile(r"(.+) +\(([^()]+)\)"), re.compile(r"(.+?) +\((.+)\)"))
_COLUMNS = re.compile(r"( {2,})")
_SUMS = (" = ", " x ")
"""What links the terms of a sum: ``3 images x 2 repeats = 6 exposures``."""
_FIGURE = re.compile(r"\d[\d.,x:]*( ?\S{1,3})?")
"""A number or a size, perhaps with its unit, which reads the same in every language."""
_COUNT = "count"
"""The name of gaps that hold a number: ``{count} image``."""
_NUMBER = re.compile(r"[\d.,]*\d")
Enough = Callable[[Iterable[bool]], bool]
_DEEPEST = 5
"""Messages within messages within messages."""
_LONGEST = 2000
"""Characters of a line; what is longer is no message, but somebody's output."""


class _Template(NamedTuple):
    """An English text with gaps, and its translation.

    Attributes:
        literals: What stands before, between and after the gaps.
        names: The names of the gaps.
        translation: The other language's text, for ``str.format``.
        sure: It has words enough to be known by them alone.
    """

    literals: tuple[str, ...]
    names: tuple[str, ...]
    translation: str
    sure: bool = False

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
                rarest = min(own, key=lambda word: (common[word], word))
                self._by_word[rarest].append(template._replace(sure=len(own) > 1))

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
        return (
            self._sentences(text, depth, all)
            or self._linked("; ", "；", text, depth, all)
            or self._by_template(text, depth)
            or self._in_parts(text, depth)
        )

    def _by_template(self, text: str, depth: int) -> str | None:
        words = set(_WORD.findall(text))
        found = [each for word in words for each in self._by_word.get(word, ())]
        for template in sorted(found, key=lambda each: -each.weight):
            values = _values(template.literals, text)
            if values is None or not self._likely(template, values, depth):
                continue
            # ``here: 3 images instead of 4: too few`` is no sentence, but a name with a reason.
            whole = template.literals[0].endswith(": ")  # what is before the colon is no name
            parted = not whole and any(": " in value for value in values)
            if parted and (told := self._reason(text, depth)):
                return told
            listed = not whole and any(", " in value for value in values)
            if listed and (several := self._linked(", ", "、", text, depth, all)):
                return several  # not one message, whose value is the rest
            shown = [self._value(value, depth) for value in values]
            named = dict(zip(template.names, shown, strict=True))
            return template.translation.format(**named)
        return None

    def _likely(self, template: _Template, values: list[str], depth: int) -> bool:
        """Return whether these may be the values: a template with few words matches much."""
        if not template.literals[0] and _BETWEEN.search(values[0]):
            return False
        if any(re.search(_COLUMN, value.strip()) or value.endswith(":") for value in values):
            return False
        counts = (v for name, v in zip(template.names, values, strict=True) if name == _COUNT)
        if not all(map(_NUMBER.fullmatch, counts)):
            return False
        return template.sure or all(
            " " not in value.strip()
            or _FILE.fullmatch(value)
            or self._found(value.strip(), depth + 1) is not None
            for value in values
        )

    def _value(self, value: str, depth: int) -> str:
        if " " not in value.strip():
            return value
        found = self._found(value.strip(), depth + 1)
        return value if found is None else value.replace(value.strip(), found, 1)

    def _in_parts(self, text: str, depth: int) -> str | None:
        """Translate what is known of the parts of a text."""
        if shown := self._columns(text, depth):
            return shown
        if shown := self._sentences(text, depth, any) or self._linked("; ", "；", text, depth, any):
            return shown
        if text.endswith(".") and (found := self._found(text[:-1], depth + 1)) is not None:
            return found if found.endswith("。") else f"{found}。"
        if text[-1:].isalnum() and (found := self._by_template(f"{text}.", depth)) is not None:
            return found.removesuffix("。")
        name, colon, reason = text.partition(": ")
        if colon and (found := self._found(reason, depth + 1)) is not None:
            return f"{self._value(name, depth)}：{found}"
        if " " in name and _FIGURE.fullmatch(reason) and (found := self._found(name, depth + 1)):
            return f"{found}：{reason}"
        for pattern in _REMARKS:
            match = pattern.fullmatch(text)
            if match and (found := self._found(match[1], depth + 1)) is not None:
                remark = self._by_template(f"({match[2]})", depth)
                return found + (remark or f"（{self._value(match[2], depth)}）")
        if shown := self._linked(", ", "、", text, depth, all):
            return shown
        for sign in _SUMS:
            if shown := self._linked(sign, sign, text, depth, all):
                return shown
        return self._behind_name(text) or self._in_lower_case(text, depth)

    def _columns(self, text: str, depth: int) -> str | None:
        """Translate the cells of a line of a table; a single word may be a name."""
        cells = _COLUMNS.split(text)
        if len(cells) < 2:
            return None
        shown = [self._cell(cell, depth) for cell in cells]
        return "".join(shown) if shown != cells else None

    def _cell(self, cell: str, depth: int) -> str:
        inner = cell[1:-1] if cell.startswith("(") and cell.endswith(")") else ""
        if inner and (shown := self._value(inner, depth)) != inner:
            return f"（{shown}）"
        return self._value(cell, depth)

    def _reason(self, text: str, depth: int) -> str | None:
        """Translate ``name: reason`` if both are known."""
        name, colon, reason = text.partition(": ")
        if not colon or (found := self._found(reason, depth + 1)) is None:
            return None
        known = name if " " not in name else self._found(name, depth + 1)
        return None if known is None else f"{known}：{found}"

    def _behind_name(self, text: str) -> str | None:
        """Translate what is said of a name: ``a b.png is nearly the same``."""
        at = text.find(" ")
        while at > 0 and " " in (said := text[at + 1 :]):
            if (found := self._texts.get(said)) is not None:
                return f"{text[:at]} {found}"
            at = text.find(" ", at + 1)
        return None

    def _in_lower_case(self, text: str, depth: int) -> str | None:
        """Translate what was made a sentence by its first letter."""
        if not (text[:1].isupper() and text[1:2].islower()):
            return None
        return self._found(text[0].lower() + text[1:], depth + 1)

    def _sentences(self, text: str, depth: int, enough: Enough) -> str | None:
        """Translate sentences one by one; several of them may be one text."""
        parts = _SENTENCE_END.split(text)
        if len(parts) < 2:
            return None
        shown: list[str | None] = []
        while parts:
            for count in range(len(parts), 0, -1):
                some = " ".join(parts[:count])
                known = self._texts.get(some) if count > 1 else self._found(some, depth + 1)
                if known is not None or count == 1:
                    shown.append(known)
                    break
            some, parts = " ".join(parts[:count]), parts[count:]
            if known is None and enough is all:
                return None
            shown[-1] = known if known is not None else f"\0{some}"
        if all(each is not None and each.startswith("\0") for each in shown):
            return None
        return _joined(" ", (str(each).removeprefix("\0") for each in shown))

    def _linked(self, link: str, join: str, text: str, depth: int, enough: Enough) -> str | None:
        """Translate linked parts one by one, if enough of them (``all``, ``any``) are known."""
        parts = text.split(link)
        if len(parts) < 2:
            return None
        shown = [self._found(part, depth + 1) for part in parts]
        figures = [part if _FIGURE.fullmatch(part) else None for part in parts]
        if not any(shown) or not enough(map(any, zip(shown, figures, strict=True))):
            return None
        pairs_ = zip(parts, shown, strict=True)
        return _joined(join, (part if new is None else new for part, new in pairs_))


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
    # Values are texts by now, which the formats of numbers do not fit.
    return _Template(tuple(literals), tuple(names), _FORMAT.sub(r"{\1}", translation))


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
