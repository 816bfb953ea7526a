"""What the tagger that has seen most saw, as the cache has it: for sorting and advice."""

import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.dataset.index import Index
from prep.dataset.writer import batches
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.taggers import stored
from prep.tagging.scores.thresholds import Thresholds


class MainTaggerScores:
    """The scores of the tagger that has seen the most images; of the one used last on a tie."""

    def __init__(self, index: Index) -> None:
        """Find them; ``bool()`` is False when there are none."""
        self._connection = index.connection
        tagger = max(stored(index), key=lambda one: one.images, default=None)
        self._table = tagger.table if tagger else TagTable((), ())
        self._key = tagger.key if tagger else ""
        self.advice = (tagger.general, tagger.character) if tagger else (None, None)
        """The thresholds of general and character tags that it recommends, if any."""
        self.names = [captions.spaced(name) for name in self._table.names]
        """Of the columns, as captions spell them."""
        self.columns = {captions.key(name): n for n, name in enumerate(self.names)}
        """Where the scores of a tag stand, by its key."""

    def __bool__(self) -> bool:
        return bool(self.names)

    def limits(self, general: float, character: float) -> NDArray[np.float16]:
        """Return from which score on each column counts; ratings never do."""
        return Thresholds(general, character).limits(self._table)

    def load(self, contents: Iterable[str | None]) -> Iterator[tuple[str, NDArray[np.float16]]]:
        """Yield (content, scores) of those that have some; scores have one value per name."""
        for part in batches(content for content in contents if content):
            rows = self._connection.execute(
                """SELECT s.content, s.data FROM scores s JOIN taggers t ON t.id = s.tagger
                WHERE t.key = ? AND s.content IN (SELECT value FROM json_each(?))""",
                (self._key, json.dumps(part)),
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
