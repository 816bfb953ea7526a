"""Tag lists in common formats: booru CSV, a tagger's ``selected_tags.csv``, one tag a line.

Booru CSV is what tag completion extensions ship: no header, ``name,type,count,"alias,alias"``.
Type numbers differ between danbooru, e621 and files that merge both; which one it is can
be inferred from the numbers themselves.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.errors import UserError
from prep.printable import printable
from prep.texts import read_text

KINDS = (
    "general", "artist", "copyright", "character", "meta", "species", "rating", "lore", "invalid",
    "contributor",
)  # fmt: skip
"""Kinds of tags; tables store the index into this list."""

_DANBOORU = {0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 9: 6}
_E621 = {0: 0, 1: 1, 2: 9, 3: 2, 4: 3, 5: 5, 6: 8, 7: 4, 8: 7, -1: 8}
_MERGED_OFFSET = 7
"""Merged lists keep danbooru's numbers and add this to those of e621."""

_NAME_COLUMNS = ("name", "tag", "tag_name")
_TYPE_COLUMNS = ("category", "type")
_COUNT_COLUMNS = ("count", "post_count", "posts")
_ALIAS_COLUMNS = ("aliases", "alias")
_DIGITS = 18
"""Digits of the largest number that is one: what SQLite and numpy hold."""
_BOORU_COLUMNS = 3

TagRow = tuple[str, int, int, str]
"""Name, type number, count, aliases separated by commas; as in the file."""


@dataclass(slots=True)
class TagEntry:
    """One tag of a list.

    Attributes:
        name: As in the list, usually with underscores.
        kind: Index into ``KINDS``.
        count: Posts with it on the booru; 0 if the list has no counts.
        aliases: Other names for it, which the booru replaces with ``name``.
    """

    name: str
    kind: int = 0
    count: int = 0
    aliases: tuple[str, ...] = ()


def read_list(file: Path) -> list[TagEntry]:
    """Read one tag list.

    Raises:
        UserError: It is missing, not UTF-8 text, or does not list any tags.
    """
    try:
        text = read_text(file)
    except FileNotFoundError as error:
        raise UserError(
            f"There is no tag list {file}.", "Check files in [vocabulary] of shikomi.toml."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}.") from error
    try:
        entries = _entries(text, file.stem.casefold())
    except csv.Error as error:
        raise UserError(f"{file} is not a valid tag list: {error}.") from error
    if not entries:
        raise UserError(f"{file} does not list any tags.")
    return entries


def _entries(text: str, name: str) -> list[TagEntry]:
    """Read a list in one of the three formats, recognised by its first line."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    head = next(csv.reader([first]), [])
    columns = [column.strip().casefold() for column in head]
    if len(columns) > 1 and any(name in columns for name in _NAME_COLUMNS):
        return list(_checked(_table(csv.reader(io.StringIO(text, newline="")), columns), name))
    if len(head) > 1 and _number(head[1]) is not None:
        return list(_checked(_booru(csv.reader(io.StringIO(text, newline=""))), name))
    lines = map(tag_name, text.splitlines())
    return [TagEntry(line) for line in lines if line and "," not in line]


def tag_name(text: str) -> str:
    r"""Return the name of a tag in a list of somebody else, which will get into captions.

    Example:
        >>> tag_name(" red hat\x1b[31m\r\n")
        'red hat[31m'
    """
    return " ".join(printable(text, "").split())


def _booru(rows: Iterable[Sequence[str]]) -> list[TagRow]:
    """Read rows of ``name,type,count,aliases``, or of ``name,count``."""
    found: list[TagRow] = []
    for row in rows:
        if len(row) >= _BOORU_COLUMNS:
            kind, count = _number(row[1]), _number(row[2])
            aliases = row[3] if len(row) > _BOORU_COLUMNS else ""
        else:
            kind, count, aliases = 0, _number(row[1]) if len(row) > 1 else 0, ""
        if row and kind is not None and count is not None:
            found.append((row[0], kind, count, aliases))
    return found


def _table(rows: Iterator[Sequence[str]], columns: Sequence[str]) -> list[TagRow]:
    """Read rows below a header."""

    def place(names: Sequence[str]) -> int | None:
        return next((columns.index(name) for name in names if name in columns), None)

    def cell(row: Sequence[str], at: int | None) -> str:
        return row[at] if at is not None and at < len(row) else ""

    name, kind, count, aliases = map(
        place, (_NAME_COLUMNS, _TYPE_COLUMNS, _COUNT_COLUMNS, _ALIAS_COLUMNS)
    )
    next((row for row in rows if row), None)
    return [
        (
            cell(row, name),
            _number(cell(row, kind)) or 0,
            _number(cell(row, count)) or 0,
            cell(row, aliases),
        )
        for row in rows
    ]


def _checked(rows: Sequence[TagRow], title: str) -> Iterator[TagEntry]:
    """Yield the entries that can be tags in captions; ``title`` is the file's name."""
    kinds = _kinds({row[1] for row in rows}, title)
    for name, kind, count, aliases in rows:
        name = tag_name(name)
        if name and "," not in name:
            others = tuple(part for alias in aliases.split(",") if (part := tag_name(alias)))
            yield TagEntry(name, kinds.get(kind, 0), max(0, count), others if aliases else ())


def _kinds(numbers: set[int], title: str) -> dict[int, int]:
    """Return the meaning of a file's type numbers, inferred from those that occur.

    Only merged lists go beyond 9; only e621 has -1, 2, 6, 7 and 8; 9 is a rating of WD taggers.
    A list with none of these is from danbooru, unless its name contains e621.
    """
    if max(numbers, default=0) > max(_DANBOORU):
        moved = {number + _MERGED_OFFSET: kind for number, kind in _E621.items() if number >= 0}
        return moved | {number: kind for number, kind in _DANBOORU.items() if number < 6}
    return _DANBOORU if numbers <= set(_DANBOORU) and "e621" not in title else _E621


def _number(text: str) -> int | None:
    text = text.strip()
    digits = text.removeprefix("-")
    return int(text) if digits.isdecimal() and len(digits) <= _DIGITS else None
