"""How tagger results are written in captions: spelling, series of characters, tag positions."""

import re
from collections.abc import Iterable
from functools import cached_property

from prep import captions
from prep.captions.spelling import spelled
from prep.dataset.index import Index
from prep.project import Project
from prep.tagging.models.tables import CHARACTER, RATING, TagTable
from prep.tagging.scores.store import TaggerResult
from prep.tagging.scores.taggers import stored

_SERIES = re.compile(r"(.+?)[_ ]*\(([^()]+)\)")
_PLACES = {"first": -1, "last": 1}


def expanded(name: str) -> list[str]:
    """Split a character tag into name and series, at its last bracket.

    Example:
        >>> expanded("saber_(fate)"), expanded("link_(wolf)_(zelda)"), expanded("mochi")
        (['saber', 'fate'], ['link_(wolf)', 'zelda'], ['mochi'])
    """
    found = _SERIES.fullmatch(name)
    return [found[1], found[2]] if found else [name]


class Writing:
    """How the tags of one table are written in the captions of a project."""

    def __init__(self, project: Project, table: TagTable) -> None:
        self._tagger, self._captions = project.settings.tagger, project.settings.captions
        self._table = table

    def tags(self, seen: TaggerResult) -> list[str]:
        """Return the tags of a result, spelled as in captions, with the rating last if wanted."""
        found = [tag for name, _ in seen.tags for tag in self._written[name]]
        if self._tagger.ratings and seen.rating:
            found.append(self._spelled(seen.rating))
        return captions.unique(found)

    def columns(self) -> list[tuple[str, ...]]:
        """Return, for each column of the table, its tags in captions."""
        return [
            tuple(self._written[name]) if category != RATING else ()
            for name, category in zip(self._table.names, self._table.categories, strict=True)
        ]

    @cached_property
    def _written(self) -> dict[str, list[str]]:
        categories = zip(self._table.names, self._table.categories, strict=True)
        return {
            name: [self._spelled(part) for part in self._parts(name, category)]
            for name, category in categories
            if category != RATING
        }

    def _parts(self, name: str, category: int) -> list[str]:
        whole = category != CHARACTER or not self._tagger.expand_characters
        return [name] if whole else expanded(name)

    def _spelled(self, name: str) -> str:
        return spelled(name, self._captions.words, self._captions.brackets)

    def places(self) -> dict[str, int]:
        """Return the keys of tags that go to the front or the end; see ``Rules.places``."""
        found: dict[str, int] = {}
        if self._tagger.characters:
            where = _PLACES[self._tagger.characters]
            names = self._of(CHARACTER)
            parts = (part for name in names for part in self._written[name])
            # "dog (series)" does not make every "dog" a character.
            others = set(captions.keys(self._of(CHARACTER, others=True)))
            found = {key: where for key in captions.keys(parts) if key not in others}
        if self._tagger.ratings:
            where = 2 * _PLACES[self._tagger.ratings]
            found |= dict.fromkeys(captions.keys(self._of(RATING)), where)
        return found

    def _of(self, wanted: int, *, others: bool = False) -> list[str]:
        """Return the names in one category, or in all others."""
        pairs = zip(self._table.names, self._table.categories, strict=True)
        return [name for name, category in pairs if (category == wanted) != others]


def places(project: Project, index: Index) -> dict[str, int]:
    """Return the places of tags of all taggers with stored scores; see ``Writing.places``."""
    section = project.settings.tagger
    found: dict[str, int] = {}
    if section.characters or section.ratings:
        tables: Iterable[TagTable] = {one.table for one in stored(index)}
        for table in tables:
            found |= Writing(project, table).places()
    return found
