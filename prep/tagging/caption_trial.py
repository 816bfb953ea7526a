"""Try thresholds on captions, again and again: what each would write, without a tagger.

The scores, captions and manual edits of some images are read once. After that, other thresholds
cost what they change: only captions whose tags differ from those of the try before are compiled.
Nothing is written.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prep import captions
from prep.captions.layers import ManualEdits
from prep.captions.rules import Rules
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.manual_edits import ManualEditStore
from prep.dataset.journal.tag_answers import Answers, AnswerStore
from prep.dataset.values.score_blobs import Integers
from prep.errors import UnreadableError
from prep.project import Project
from prep.project.caption_rules import rules_for
from prep.tagging.captions import decided, written
from prep.tagging.models.tables import CATEGORIES, NO_TAG, RATING
from prep.tagging.scores.ensemble import Ensemble, Portion
from prep.tagging.scores.sparse import FLOOR
from prep.tagging.scores.store import TaggerResult
from prep.tagging.scores.thresholding import ScorePairs
from prep.tagging.scores.thresholds import Thresholds
from prep.tagging.scores.writing import Writing, places

BINS = 95
"""Bins of ``CaptionTrial.spread``: hundredths from 0.05 to 1."""
_COMPILED = 256
"""Captions that are compiled between two chances to give up."""


@dataclass(frozen=True)
class TriedImage:
    """An image whose caption is tried.

    Attributes:
        path: Its path in the index.
        before: Text of its caption file, ``None`` for no file.
        manual: The manual edits behind that text.
    """

    path: str
    before: str | None
    manual: ManualEdits
    rules: Rules
    answers: Answers | None


@dataclass
class _Held:
    """Some images with their scores, and the tags that the last try selected.

    Attributes:
        start: Place of the first image.
        spots: Image and column of each selected tag, as one ascending number.
    """

    start: int
    portion: Portion
    spots: Integers = field(default_factory=lambda: np.empty(0, np.intp))
    fresh: bool = True


class CaptionTrial:
    """What thresholds would make of the captions of some images.

    Attributes:
        images: Those with a caption of their own that can be read.
        skipped: Images whose caption file is that of another image, or cannot be read.
    """

    def __init__(self, project: Project, index: Index, ensemble: Ensemble, top: int = 0) -> None:
        """Try nothing yet.

        Args:
            project: The project, with its rules.
            index: Open index; all calls must come from its thread.
            ensemble: The taggers; their thresholds are the lowest that are tried, or 0.05.
            top: Maximum of tags per image; 0 for all.
        """
        self._project, self._index, self._ensemble, self._top = project, index, ensemble, top
        self._writing, self._places = Writing(project, ensemble.table), places(project, index)
        self._held: list[_Held] = []
        self._after: list[str | None] = []
        self._difference: dict[int, tuple[tuple[str, ...], tuple[str, ...]]] = {}
        self.images: list[TriedImage] = []
        self.skipped = 0
        self._added: Counter[str] = Counter()
        self._removed: Counter[str] = Counter()

    # ---- reading -------------------------------------------------------------------------

    def read(self, rows: Sequence[ImageRow]) -> Iterator[int]:
        """Read scores and captions, and yield how many images have been read.

        Args:
            rows: Images that all taggers have scored.

        Raises:
            KeyError: One of them has no scores.
        """
        kept = list(self._with_captions(rows))
        self._after = [image.before for _, image in kept]
        contents = [row.content or "" for row, _ in kept]
        for portion in self._ensemble.portions(contents):
            start = len(self.images)
            self._held.append(_Held(start, portion))
            self.images += [image for _, image in kept[start : start + len(portion.contents)]]
            yield len(self.images)

    def _with_captions(self, rows: Sequence[ImageRow]) -> Iterator[tuple[ImageRow, TriedImage]]:
        hands, answers = ManualEditStore(self._index), AnswerStore(self._index).all()
        rules: dict[str, Rules] = {}
        owners: set[Path] = set()
        for row in rows:
            file = self._project.caption_file(row.path)
            try:
                before = captions.read(file)
            except UnreadableError:
                self.skipped += 1
                continue
            if file in owners:
                self.skipped += 1
                continue
            owners.add(file)
            if row.folder not in rules:
                rules[row.folder] = rules_for(self._project, row.folder, self._places)
            own, given = rules[row.folder], answers.get(row.path)
            manual = decided(before, hands.behind(row.path, before), own, given)
            yield row, TriedImage(row.path, before, manual, own, given)

    def spread(self) -> dict[str, NDArray[np.int64]]:
        """Return how many scores of each category lie in each hundredth from 0.05 to 1.

        Returns:
            Category -> array of shape (BINS,); of several taggers, all scores together.
            Categories without tags in the tables are left out.
        """
        found: dict[str, NDArray[np.int64]] = {}
        for name, kind in self.categories().items():
            total = np.zeros(BINS, np.int64)
            for held in self._held:
                for view in held.portion.views:
                    own = view.table.kinds[view.sparse.columns] == kind
                    values = view.sparse.values[own].astype(np.float32)
                    total += np.histogram(values, BINS, (FLOOR, 1.0))[0]
            found[name] = total
        return found

    def categories(self) -> dict[str, int]:
        """Return the categories of tags that the taggers know: name -> number, general first."""
        kinds = set(self._ensemble.table.kinds.tolist()) - {RATING, NO_TAG}
        names = {number: name for name, number in reversed(CATEGORIES.items())}
        return {names[kind]: kind for kind in sorted(kinds) if kind in names}

    # ---- trying --------------------------------------------------------------------------

    def at(self, thresholds: Sequence[Thresholds]) -> Iterator[int]:
        """Try thresholds; yields how many images have been looked at, now and then.

        When it is given up halfway, counts and captions are those of the images that were reached,
        and the next try goes on from there.

        Args:
            thresholds: Those of each tagger.
        """
        for held in self._held:
            pairs = held.portion.with_thresholds(thresholds).taken(self._top)
            width = max(1, len(self._ensemble.table))
            spots = pairs.rows * width + pairs.columns
            count = len(held.portion.contents)
            differing = np.setxor1d(held.spots, spots, assume_unique=True) // width
            rows = np.flatnonzero(np.bincount(differing, minlength=count))
            if held.fresh:
                rows = np.arange(count)
            for start in range(0, len(rows), _COMPILED):
                part = rows[start : start + _COMPILED]
                self._compile(held, pairs, part)
                # What was done is remembered, so that giving up loses nothing.
                done = np.zeros(count, bool)
                done[part] = True
                kept, new = held.spots[~done[held.spots // width]], spots[done[pairs.rows]]
                held.spots = np.sort(np.concatenate((kept, new)))
                yield held.start + int(part[-1]) + 1
            held.fresh = False
            yield held.start + count

    def _compile(self, held: _Held, pairs: ScorePairs, rows: Integers) -> None:
        first, last = np.searchsorted(pairs.rows, (rows[0], rows[-1] + 1))
        found = pairs.only(np.arange(first, last))
        found = found.only(np.isin(found.rows, rows))
        found = found.only(np.lexsort((found.columns, -found.scores, found.rows)))
        bounds = np.searchsorted(found.rows, np.stack((rows, rows + 1))).tolist()
        names = [self._ensemble.table.names[column] for column in found.columns.tolist()]
        for row, start, end in zip(rows.tolist(), *bounds, strict=True):
            tags = [(name, 0.0) for name in names[start:end]]
            machine = self._writing.tags(TaggerResult(held.portion.ratings[row], tags))
            self._note(held.start + row, machine)

    def _note(self, place: int, machine: Sequence[str]) -> None:
        image = self.images[place]
        after, _ = written(image.before, image.manual, machine, image.rules, "merge", image.answers)
        self._after[place] = after
        for counts, tags in zip(
            (self._removed, self._added), self._difference.pop(place, ((), ())), strict=True
        ):
            counts.subtract(tags)
        if after != image.before:
            old, new = (captions.split(text or "") for text in (image.before, after))
            lost, gained = captions.remove(old, new), captions.remove(new, old)
            self._difference[place] = (tuple(lost), tuple(gained))
            self._removed.update(lost)
            self._added.update(gained)

    # ---- what came of it -----------------------------------------------------------------

    @property
    def changed(self) -> list[int]:
        """Places of the images whose captions would change."""
        return sorted(self._difference)

    def shifts(self) -> list[tuple[str, int, int]]:
        """Return the tags that come or go, most often first: (tag, captions that get it, lose it).

        The sum of both decides; on ties, the alphabet.
        """
        names = {tag for counts in (self._added, self._removed) for tag in +counts}
        found = [(tag, self._added[tag], self._removed[tag]) for tag in names]
        return sorted(found, key=lambda one: (-one[1] - one[2], one[0]))

    @property
    def tags(self) -> int:
        """Number of tags that the taggers select in all images."""
        return sum(len(held.spots) for held in self._held)

    def after(self, place: int) -> str | None:
        """Return what the caption file of an image would be; ``None`` for no file."""
        return self._after[place]

    def difference(self, place: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the tags that the caption of an image would lose, and those that it would get."""
        return self._difference.get(place, ((), ()))
