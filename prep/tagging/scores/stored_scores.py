"""Stored scores of the tagger that has scored most images: for sorting and advice."""

from collections.abc import Iterable, Iterator, Sequence

from prep import captions
from prep.dataset.index import Index
from prep.dataset.values.score_blobs import Halves
from prep.project.tagger import TaggerSection
from prep.tagging.models.recommended import Recommended
from prep.tagging.models.tables import TagTable
from prep.tagging.scores.taggers import stored
from prep.tagging.scores.thresholds import configured


class MainTaggerScores:
    """The scores of the tagger that has scored most images; on a tie, the one used last."""

    def __init__(self, index: Index) -> None:
        """Find the scores; ``bool()`` is False if there are none."""
        tagger = max(stored(index), key=lambda one: one.images, default=None)
        self._table = tagger.table if tagger else TagTable((), ())
        self._scores = tagger.store(index) if tagger else None
        self._recommended = tagger.recommended if tagger else Recommended()
        self.names = [captions.spaced(name) for name in self._table.names]
        """Tags of the columns, spelled as in captions."""
        self.columns = {captions.key(name): n for n, name in enumerate(self.names)}
        """Column of a tag, by its key."""

    def __bool__(self) -> bool:
        return bool(self.names)

    def limits(self, section: TaggerSection) -> Halves:
        """Return the threshold of each column: as configured, else as the tagger recommends."""
        return configured(section, self._recommended).limits(self._table)

    def load(self, contents: Iterable[str | None]) -> Iterator[tuple[str, Halves]]:
        """Yield (content, scores) of contents with scores; one score per name."""
        if self._scores is not None:
            yield from self._scores.each(content for content in contents if content)

    def of(self, content: str | None, tags: Sequence[str]) -> dict[str, float]:
        """Return the scores of these tags in one image, by key, without unknown ones."""
        for _, scores in self.load([content]):
            places = [(key, self.columns.get(key)) for key in captions.keys(tags)]
            return {key: float(scores[n]) for key, n in places if n is not None}
        return {}
