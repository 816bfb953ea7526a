"""Aliases and implications of tags, from the files of booru sites.

An alias says that two names mean the same (``kitty`` is ``cat``); an implication says that one
tag implies another (``straw hat`` is a ``hat``). Files have two columns (old name, new name), or
are exports of e621 and Danbooru (``antecedent_name``, ``consequent_name``, ``status``: only active
rows count), plain or gzipped, and for aliases the tag lists of completion extensions as well.
None are bundled: they belong to the boorus.

Aliases are resolved first, on both sides of implications; then implications are followed
transitively. Cycles, which exports do contain, end where they close.
"""

import csv
import io
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from prep import captions
from prep.captions.tag_lists import read_list, tag_name
from prep.errors import UserError, reason_of
from prep.texts import decoded, read_bytes, unzipped, with_line_feeds

_OLD = ("antecedent_name", "antecedent", "from", "alias", "old")
_NEW = ("consequent_name", "consequent", "to", "tag", "new")
_ACTIVE = ("", "active")

TagPair = tuple[str, str]


@dataclass(frozen=True)
class Implications:
    """Aliases and implications of tags; made by ``build`` or ``read``.

    Attributes:
        aliases: Key of a name -> the name to use.
        direct: Key of a tag -> the tags it implies, aliases resolved.

    Example:
        >>> known = Implications.build(
        ...     [("kitty", "cat")], [("straw_hat", "hat"), ("hat", "headwear")])
        >>> known.resolved("Kitty"), known.implied("straw hat")
        ('cat', ('hat', 'headwear'))
    """

    aliases: dict[str, str] = field(default_factory=dict)
    direct: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _closures: dict[str, tuple[str, ...]] = field(default_factory=dict, repr=False, compare=False)
    _keys: dict[str, frozenset[str]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def build(cls, aliases: Iterable[TagPair], implications: Iterable[TagPair]) -> "Implications":
        """Build from (old, new) pairs; of several aliases of a name, the first counts."""
        known = cls()
        for old, new in aliases:
            name = captions.key(old)
            if name != captions.key(new):
                known.aliases.setdefault(name, captions.spaced(new))
        direct: dict[str, dict[str, str]] = {}
        for old, new in implications:
            start, end = known.resolved(old), known.resolved(captions.spaced(new))
            name = captions.key(end)
            if captions.key(start) != name:
                direct.setdefault(captions.key(start), {}).setdefault(name, end)
        known.direct.update((name, tuple(found.values())) for name, found in direct.items())
        return known

    @classmethod
    def read(cls, aliases: Sequence[Path], implications: Sequence[Path]) -> "Implications":
        """Build from files.

        Raises:
            UserError: A file is missing, or in an unknown format.
        """
        return cls.build(
            (pair for file in aliases for pair in read_pairs(file, lists=True)),
            (pair for file in implications for pair in read_pairs(file)),
        )

    def respelled(self, spell: Callable[[str], str]) -> "Implications":
        """Return a copy whose resulting names are spelled with ``spell``."""
        return Implications(
            {name: spell(new) for name, new in self.aliases.items()},
            {name: tuple(map(spell, new)) for name, new in self.direct.items()},
        )

    def __bool__(self) -> bool:
        return bool(self.aliases or self.direct)

    def resolved(self, tag: str) -> str:
        """Return the final name of a tag, or the tag itself if it has no alias."""
        passed: set[str] = set()
        while (name := captions.key(tag)) in self.aliases and name not in passed:
            passed.add(name)
            tag = self.aliases[name]
        return tag

    def implied(self, tag: str) -> tuple[str, ...]:
        """Return all tags implied by a tag, directly or not, nearest first; never itself."""
        start = captions.key(tag)
        found = self._closures.get(start)
        if found is None:
            if start not in self.direct:
                return ()
            found = self._closures[start] = self._closure(start)
        return found

    def implied_keys(self, tag: str) -> frozenset[str]:
        """Return the keys of all tags implied by a tag."""
        start = captions.key(tag)
        found = self._keys.get(start)
        if found is None:
            found = self._keys[start] = frozenset(captions.keys(self.implied(start)))
        return found

    def _closure(self, start: str) -> tuple[str, ...]:
        seen, found = {start}, list[str]()
        front = list(self.direct[start])
        while front:
            following: list[str] = []
            for tag in front:
                name = captions.key(tag)
                if name not in seen:
                    seen.add(name)
                    found.append(tag)
                    following += self.direct.get(name, ())
            front = following
        return tuple(found)

    def collapsed(self, tags: Sequence[str]) -> list[str]:
        """Drop tags that another tag of the caption implies.

        Of tags that imply each other, the first stays.

        Example:
            >>> Implications.build([], [("straw hat", "hat")]).collapsed(["hat", "straw hat"])
            ['straw hat']
        """
        if not any(captions.key(tag) in self.direct for tag in tags):
            return list(tags)
        places = {name: n for n, name in reversed(list(enumerate(captions.keys(tags))))}
        gone: set[str] = set()
        for name, place in places.items():
            for other in places.keys() & self.implied_keys(name):
                # Of tags that imply each other, drop only the later one.
                if places[other] > place or name not in self.implied_keys(other):
                    gone.add(other)
        return [tag for tag in tags if captions.key(tag) not in gone]

    def expanded(self, tags: Sequence[str]) -> list[str]:
        """Add implied tags that are missing, each behind the tag that implies it.

        Example:
            >>> Implications.build([], [("straw hat", "hat")]).expanded(["straw hat", "sea"])
            ['straw hat', 'hat', 'sea']
        """
        present = set(captions.keys(tags))
        result: list[str] = []
        for tag in tags:
            result.append(tag)
            for other in self.implied(tag):
                if captions.key(other) not in present:
                    present.add(captions.key(other))
                    result.append(other)
        return result


def read_pairs(file: Path, *, lists: bool = False) -> Iterator[TagPair]:
    """Yield (old, new) of a file.

    Args:
        file: CSV, in a format listed in the module docstring.
        lists: Tag lists (``name,type,count,aliases``) are accepted as well.

    Raises:
        UserError: It is missing, not UTF-8 text, or in an unknown format.
    """
    text = _text(file)
    try:
        first = next(csv.reader(io.StringIO(text)), [])
        columns = [cell.strip().casefold() for cell in first]
        old, new = _place(columns, _OLD), _place(columns, _NEW)
        if old is not None and new is not None and old != new:
            status = columns.index("status") if "status" in columns else None
            yield from _columns(text, old, new, status)
        elif len(columns) == 2 and not columns[1].lstrip("-").isdecimal():
            yield from _columns(text, 0, 1, None, header=False)
        elif lists:
            for entry in read_list(file):
                yield from ((alias, entry.name) for alias in entry.aliases)
        else:
            raise UserError(
                f"{file} has neither two columns nor antecedent_name and consequent_name.",
                "Give a CSV with the columns old name, new name, or an export of tag implications.",
            )
    except csv.Error as error:
        raise UserError(f"{file} is not valid CSV: {error}.") from error


def _columns(
    text: str, old: int, new: int, status: int | None, *, header: bool = True
) -> Iterator[TagPair]:
    rows = csv.reader(io.StringIO(text, newline=""))
    if header:
        next(rows, None)
    for row in rows:
        if len(row) <= max(old, new, status or 0):
            continue
        if status is not None and row[status].strip().casefold() not in _ACTIVE:
            continue
        pair = tag_name(row[old]), tag_name(row[new])
        if all(pair):
            yield pair


def _place(columns: Sequence[str], names: Sequence[str]) -> int | None:
    return next((columns.index(name) for name in names if name in columns), None)


def _text(file: Path) -> str:
    try:
        data = read_bytes(file)
        if data[:2] == b"\x1f\x8b":
            data = unzipped(data)
        return with_line_feeds(decoded(data))
    except FileNotFoundError as error:
        raise UserError(f"There is no file {file}.", "Check the spelling of the path.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from error
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file} cannot be read: {reason_of(error)}.") from error
