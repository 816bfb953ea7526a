"""What tags mean in another language, from a CSV of the user's; captions stay as they are.

Read are the files that tag completion extensions use: ``tag,translation``, the older
``tag,type,translation``, and ``tag,type,count,"alias,alias"``, in which the first alias that is
not ASCII is taken for the translation. With a header, its names say which columns are meant.
"""

import csv
import io
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from unicodedata import normalize

from prep import captions
from prep.captions.tag_lists import tag_name
from prep.errors import UserError
from prep.printable import printable
from prep.texts import decoded, read_bytes, with_line_feeds

_TAGS = ("tag", "name", "tag_name", "english", "en", "英語", "タグ")
_TRANSLATIONS = (
    *("translation", "translated", "japanese", "ja", "jp"),
    *("日本語", "翻訳", "和訳", "訳", "意味"),
)
_ALIASES = ("aliases", "alias", "別名")
_LONGEST = 80
"""Characters of a translation; a longer one is cut."""
_HIRAGANA = {katakana: katakana - 0x60 for katakana in range(ord("ァ"), ord("ヶ") + 1)}
_Row = Sequence[str]


class Translations:
    """Translations by tag, and tags by parts of a translation.

    Example:
        >>> found = Translations([("top_hat", "シルクハット"), ("hat", "帽子")])
        >>> found.of("Top Hat"), found.of("bow"), found.tags("はっと")
        ('シルクハット', '', ['top hat'])
    """

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Keep pairs of a tag, in any spelling, and its translation; the first of a tag counts."""
        self._found: dict[str, str] = {}
        for tag, text in pairs:
            self._found.setdefault(captions.key_once(tag), text)
        self._tags = list(self._found)
        folded = list(map(_folded, self._found.values()))
        # One text to look through: a hundred times faster than as many comparisons.
        self._text = "\n" + "\n".join(folded) + "\n"
        self._starts = [1]
        for text in folded:
            self._starts.append(self._starts[-1] + len(text) + 1)

    def __len__(self) -> int:
        """Return the number of tags."""
        return len(self._tags)

    def of(self, tag: str) -> str:
        """Return the translation of a tag, in any spelling; empty if there is none."""
        return self._found.get(captions.key(tag), "")

    def tags(self, text: str, limit: int = 50) -> list[str]:
        """Return tags, as keys, whose translation has this text; first those that are it.

        Katakana and hiragana, and wide and narrow letters, are one. Then come translations that
        begin with it, and each group is in the order of the file, which often is that of use.
        """
        typed = _folded(text)
        if not typed:
            return []
        groups = (f"\n{typed}\n", f"\n{typed}", typed)
        found: dict[int, None] = {}
        for group in groups:
            for place in islice(self._places(group), limit):
                found.setdefault(place)
        return [self._tags[place] for place in islice(found, limit)]

    def _places(self, text: str) -> Iterator[int]:
        """Yield the numbers of the translations with this text, each once."""
        at = self._text.find(text)
        while at >= 0:
            number = bisect_right(self._starts, at + text.startswith("\n")) - 1
            yield number
            at = self._text.find(text, self._starts[number + 1] - 1)


def read_translations(file: Path) -> Translations:
    """Read a file of translations in UTF-8, with a mark or without, or as Windows writes Japanese.

    Raises:
        UserError: It is missing, no such text, or has no translations.
    """
    try:
        text = _text(read_bytes(file))
    except FileNotFoundError as error:
        raise UserError(f"There is no file of translations {file}.") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{file} is neither UTF-8 nor Shift_JIS (cp932) text.", "Save it as UTF-8."
        ) from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        found = Translations(_pairs(text))
    except csv.Error as error:
        raise UserError(f"{file} is not a valid CSV file: {error}.") from error
    if not len(found):
        raise UserError(
            f"{file} has no translations.",
            "Each line has a tag and its translation, such as: top_hat,シルクハット",
        )
    return found


def _text(data: bytes) -> str:
    try:
        text = decoded(data)
    except UnicodeDecodeError:
        damaged = decoded(data, "replace")
        faults = damaged.count("\ufffd")
        if sum(not letter.isascii() for letter in damaged) > 2 * faults or b"\0" in data:
            raise  # UTF-8 with some broken characters: read as cp932, all others would break, too
        text = data.decode("cp932")
    return printable(with_line_feeds(text), "")


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    tabs = "\t" in first and "," not in first
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",")
    head = next((row for row in rows if any(row)), [])
    translation_of = _by_header([cell.strip().casefold() for cell in head])
    if translation_of is None:
        translation_of = _by_place
        rows = csv.reader(io.StringIO(text, newline=""), delimiter="\t" if tabs else ",")
    for row in rows:
        tag, meaning = translation_of(row)
        tag, meaning = tag_name(tag), tag_name(meaning)
        if tag and meaning and tag != meaning:
            yield tag, meaning[:_LONGEST]


def _by_header(names: Sequence[str]) -> Callable[[_Row], tuple[str, str]] | None:
    """Return what finds tag and translation in a row below this header; ``None`` if it is none."""

    def place(known: Sequence[str]) -> int | None:
        return next((names.index(name) for name in known if name in names), None)

    tag, meaning, aliases = place(_TAGS), place(_TRANSLATIONS), place(_ALIASES)
    if tag is None or (meaning is None and aliases is None):
        return None

    def cell(row: _Row, at: int | None) -> str:
        return row[at] if at is not None and at < len(row) else ""

    return lambda row: (cell(row, tag), cell(row, meaning) or _foreign(cell(row, aliases)))


def _by_place(row: _Row) -> tuple[str, str]:
    """Return tag and translation of a row in a file without a header."""
    cells = [cell.strip() for cell in row]
    if len(cells) < 2:
        return "", ""
    if not _is_number(cells[1]):
        return cells[0], cells[1]
    if len(cells) > 2 and not _is_number(cells[2]):
        return cells[0], cells[2]  # tag, type, translation
    aliases, *more = cells[3:] or [""]
    return cells[0], next(filter(None, more), "") or _foreign(aliases)


def _foreign(aliases: str) -> str:
    """Return the alias to read: the first in kana, else the first that is not ASCII.

    Example:
        >>> _foreign("/sk,礼帽,シルクハット"), _foreign("女仆,ﾒｲﾄﾞ服"), _foreign("tophat")
        ('シルクハット', 'ﾒｲﾄﾞ服', '')
    """
    others = [alias for alias in aliases.split(",") if not alias.isascii()]
    kana = (alias for alias in others if any("ぁ" <= letter <= "ヺ" for letter in _folded(alias)))
    return next(kana, others[0] if others else "")


def _is_number(text: str) -> bool:
    return text.removeprefix("-").isdecimal()


def _folded(text: str) -> str:
    """Return a text as it is compared.

    Example:
        >>> _folded("ﾒｲﾄﾞ服 Maid")
        'めいど服 maid'
    """
    return normalize("NFKC", text).casefold().translate(_HIRAGANA).strip()
