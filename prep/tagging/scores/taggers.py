"""Which taggers have scores here, by name: to use them, their own files are not needed."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from prep.dataset.cache_db import has_table
from prep.dataset.index import Index
from prep.errors import UserError
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.store import ScoreStore

_NAMES = """CREATE TABLE IF NOT EXISTS tagger_names(key TEXT PRIMARY KEY, name TEXT NOT NULL,
    model TEXT NOT NULL, general REAL, character REAL, used REAL NOT NULL) WITHOUT ROWID"""


@dataclass(frozen=True)
class StoredTagger:
    """A tagger whose scores are in the cache.

    Attributes:
        key: Hash of its files.
        name: For people.
        model: What it was asked for as.
        images: Contents that it has scored.
        general: Recommended threshold of general tags, if any.
        character: Recommended threshold of character tags, if any.
        table: What its scores mean.
    """

    key: str
    name: str
    model: str
    images: int
    general: float | None
    character: float | None
    table: TagTable

    def store(self, index: Index) -> ScoreStore:
        """Open its scores."""
        return ScoreStore(index, self.key, self.table)

    def is_called(self, name: str) -> bool:
        """Is this its name, the last part of it, what it was asked for as, or its hash?"""
        wanted = name.casefold().rstrip("/")
        names = {known.casefold().rstrip("/") for known in (self.name, self.model)}
        names |= {known.rpartition("/")[2] for known in names}
        return wanted in names or (len(wanted) >= 6 and self.key.startswith(wanted))


def note(index: Index, files: TaggerFiles, model: str, key: str) -> None:
    """Remember what a tagger is called and recommends.

    Args:
        index: Open index.
        files: Of the tagger.
        model: What it was asked for as.
        key: From ``files.key()``.
    """
    advice = (files.record.general, files.record.character)
    with index.connection:
        index.connection.execute(_NAMES)
        index.connection.execute(
            "INSERT OR REPLACE INTO tagger_names VALUES(?, ?, ?, ?, ?, ?)",
            (key, files.name, model, *advice, time.time()),
        )


def stored(index: Index) -> list[StoredTagger]:
    """Return the taggers that have scores here, the one used last first."""
    known: dict[str, tuple[str, str, float | None, float | None]] = {}
    order: list[str] = []
    if has_table(index.connection, "tagger_names"):
        for key, *facts in index.connection.execute(
            "SELECT key, name, model, general, character FROM tagger_names ORDER BY used DESC"
        ):
            known[key] = (facts[0], facts[1], facts[2], facts[3])
            order.append(key)
    # Not from the scores themselves: to count those, all pages that hold them would be read.
    counts = dict(
        index.connection.execute(
            "SELECT tagger, count(DISTINCT content) FROM scored GROUP BY tagger"
        ).fetchall()
    )
    rows = index.connection.execute("SELECT id, key, tags FROM taggers ORDER BY id DESC").fetchall()
    found = [
        _stored(key, tags, counts[number], known.get(key, (f"tagger {key[:8]}", "", None, None)))
        for number, key, tags in rows
        if counts.get(number)
    ]
    places = {key: place for place, key in enumerate(order)}
    return sorted(found, key=lambda one: places.get(one.key, len(places)))


def _stored(
    key: str, tags: str, images: int, facts: tuple[str, str, float | None, float | None]
) -> StoredTagger:
    names, categories = zip(*json.loads(tags), strict=True)
    name, model, general, character = facts
    return StoredTagger(
        key,
        name,
        model,
        images,
        general,
        character,
        TagTable(tuple(names), tuple(categories)),
    )


def recommended(index: Index, key: str) -> tuple[float | None, float | None]:
    """Return the thresholds of general and character tags that a tagger recommends, if any."""
    for one in stored(index):
        if one.key == key:
            return one.general, one.character
    return None, None


def choose(found: Iterable[StoredTagger], name: str) -> StoredTagger:
    """Return the tagger of this name; of several versions, the one used last.

    Raises:
        UserError: There is none.
    """
    known = list(found)
    for one in known:
        if one.is_called(name):
            return one
    if not known:
        raise UserError(
            "No image has been tagged yet.", "Run: shikomi tag PROJECT --model MODEL --write none"
        )
    names = ", ".join(dict.fromkeys(one.name for one in known))
    raise UserError(f"No scores of a tagger {name} are stored.", f"There are those of: {names}")
