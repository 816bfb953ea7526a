"""What taggers saw, as the cache has it, without the tagger's files: for sorting and advice."""

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.index import Index
from prep.tagging.models import CHARACTER, RATING

_MARKS = 500
"""Values per SQL statement; SQLite allows 32,766, older builds 999."""


class StoredScores:
    """The scores of the tagger that has seen the most images; of the newest one on a tie."""

    def __init__(self, index: Index) -> None:
        """Find them; ``bool()`` is False when there are none."""
        self._connection = index.connection
        row = self._connection.execute(
            """SELECT t.id, t.tags FROM taggers t JOIN scores s ON s.tagger = t.id
            GROUP BY t.id ORDER BY count(*) DESC, t.id DESC LIMIT 1"""
        ).fetchone()
        table: list[tuple[str, int]] = json.loads(row[1]) if row else []
        self._tagger = row[0] if row else 0
        self._categories = np.array([category for _, category in table], np.int64)
        self.names = [captions.spaced(name) for name, _ in table]
        """Of the columns, as captions spell them."""
        self.columns = {captions.key(name): n for n, name in enumerate(self.names)}
        """Where the scores of a tag stand, by its key."""

    def __bool__(self) -> bool:
        return bool(self.names)

    def limits(self, general: float, character: float) -> NDArray[np.float16]:
        """Return from which score on each column counts; ratings never do."""
        limits = np.full(len(self.names), general, np.float16)
        limits[self._categories == CHARACTER] = character
        limits[self._categories == RATING] = np.inf
        return limits

    def load(self, contents: Iterable[str | None]) -> Iterator[tuple[str, NDArray[np.float16]]]:
        """Yield (content, scores) of those that have some; scores have one value per name."""
        for part in _parts([content for content in contents if content]):
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT content, data FROM scores WHERE tagger = ? AND content IN ({marks})",
                [self._tagger, *part],
            )
            for content, data in rows:
                scores = np.frombuffer(data, "<f2")
                if len(scores) == len(self.names):
                    yield content, scores

    def of(self, content: str | None, tags: Sequence[str]) -> dict[str, float]:
        """Return the scores of these tags in one image, by their keys; unknown ones lack."""
        for _, scores in self.load([content]):
            places = [(key, self.columns.get(key)) for key in captions.keys(tags)]
            return {key: float(scores[n]) for key, n in places if n is not None}
        return {}


def _parts(contents: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(contents), _MARKS):
        yield list(contents[start : start + _MARKS])
