"""The taggers with stored scores, by name; using the scores does not need the model files."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from prep.dataset.index import Index
from prep.dataset.values import score_blobs
from prep.dataset.values.score_blobs import TaggerColumns
from prep.errors import UserError
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.recommended import Recommended
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.store import ScoreStore

_THRESHOLD = np.dtype("<f4")
"""Recommended threshold of a column, as stored."""


@dataclass(frozen=True)
class StoredTagger:
    """A tagger whose scores are in the cache.

    Attributes:
        key: Hash of its files.
        name: For people.
        model: Name with which it was requested.
        number: Taggers that came later have higher ones.
        images: Number of contents that it has scored.
        recommended: The thresholds that it recommends.
        table: Tags of its scores.
    """

    key: str
    name: str
    model: str
    number: int
    images: int
    recommended: Recommended
    table: TagTable

    @property
    def general(self) -> float | None:
        """Recommended threshold of general tags, if any."""
        return self.recommended.general

    @property
    def character(self) -> float | None:
        """Recommended threshold of character tags, if any."""
        return self.recommended.character

    def store(self, index: Index) -> ScoreStore:
        """Open its scores."""
        return ScoreStore(index, self.key, self.table)

    def is_called(self, name: str) -> bool:
        """Return whether this is its name, its last part, its requested name, or its hash."""
        wanted = name.casefold().rstrip("/")
        names = {known.casefold().rstrip("/") for known in (self.name, self.model)}
        names |= {known.rpartition("/")[2] for known in names}
        return wanted in names or (len(wanted) >= 6 and self.key.startswith(wanted))


def note(
    index: Index, files: TaggerFiles, model: str, key: str, advice: Recommended | None = None
) -> None:
    """Store the name and the recommended thresholds of a tagger.

    Args:
        index: Open index.
        files: Files of the tagger.
        model: Name with which it was requested.
        key: From ``files.key()``.
        advice: What it recommends; ``None`` for only what its record says.
    """
    record = files.record
    found = advice or Recommended(record.general, record.character, record.categories, record.omit)
    more = {"categories": dict(found.categories), "omitted": found.omitted}
    columns = np.array(found.columns, _THRESHOLD).tobytes()
    with index.connection:
        index.connection.execute(
            "INSERT OR REPLACE INTO tagger_names VALUES(?, ?, ?, ?, ?, ?)",
            (key, files.name, model, found.general, found.character, time.time()),
        )
        index.connection.execute(
            "INSERT OR REPLACE INTO tagger_thresholds VALUES(?, ?, ?)",
            (key, json.dumps(more), columns),
        )


def stored(index: Index) -> list[StoredTagger]:
    """Return the taggers with stored scores, the one used last first."""
    known = {
        key: facts
        for key, *facts in index.connection.execute(
            """SELECT key, name, model, general, character, more, columns FROM tagger_names
            LEFT JOIN tagger_thresholds USING(key) ORDER BY used DESC"""
        )
    }
    counts = score_blobs.counts(index.connection)
    found = [
        _stored(one, counts[one.id], known.get(one.key))
        for one in reversed(score_blobs.taggers(index.connection))
        if counts.get(one.id)
    ]
    places = {key: place for place, key in enumerate(known)}
    return sorted(found, key=lambda one: places.get(one.key, len(places)))


def _stored(columns: TaggerColumns, images: int, facts: Sequence[Any] | None) -> StoredTagger:
    table = TagTable(*zip(*columns.columns, strict=True))
    name, model, general, character, more, limits = facts or (
        f"tagger {columns.key[:8]}", "", None, None, None, None,
    )  # fmt: skip
    own = json.loads(more) if more else {"categories": {}, "omitted": []}
    by_column = tuple(np.frombuffer(limits or b"", _THRESHOLD).astype(float).tolist())
    advice = Recommended(
        general,
        character,
        own["categories"],
        tuple(own["omitted"]),
        by_column if len(by_column) == len(table) else (),
    )
    return StoredTagger(columns.key, name, model, columns.id, images, advice, table)


def choose(found: Iterable[StoredTagger], name: str) -> StoredTagger:
    """Return the tagger with this name; of several versions, the one used last.

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
    raise UserError(
        f"There are no stored scores of a tagger {name}.", f"There are scores of: {names}"
    )
