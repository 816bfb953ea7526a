"""The dataset as it is now, read once for many decisions that are judged again."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

from prep.curation.checks import catalogue
from prep.curation.checks.view import DatasetView
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import DECISIONS, Change
from prep.dataset.journal.decisions import Decided, DecisionStore, unpacked
from prep.images import crops
from prep.images.crops import Box, Rect
from prep.training_set.trainers import Trainer

TRAINER: Trainer = "shikomi"
"""Whose rules count: those of a training set that shikomi exports."""


class Facts:
    """What holds for a dataset as a whole, which takes long to find: kept until an edit is made.

    A search shows what it has found many times while nothing is edited. Files that others change
    are noticed by a scan, after which a new object is needed. Little is kept: only what decides
    whether a question still applies.
    """

    def __init__(self) -> None:
        self._state: object = None
        self._codes: frozenset[str] | None = None
        self._spellings: frozenset[str] | None = None

    def codes(self, index: Index) -> frozenset[str]:
        """Return the codes of all problems."""
        self._renew(index)
        if self._codes is None:
            self._codes = catalogue.codes_of(DatasetView(index, TRAINER))
        return self._codes

    def spellings(self, index: Index) -> frozenset[str]:
        """Return the tags of all captions, as they are spelt."""
        self._renew(index)
        if self._spellings is None:
            self._spellings = frozenset(tag for row in index.each_usable() for tag in row.tags)
        return self._spellings

    def _renew(self, index: Index) -> None:
        state = (index, index.version("work"))
        if state != self._state:
            self._state, self._codes, self._spellings = state, None, None


class Present:
    """Reads each thing when it is first asked for; a new object sees the next state."""

    def __init__(
        self,
        index: Index,
        taken: Callable[[], None] = lambda: None,
        facts: Facts | None = None,
    ) -> None:
        """Read nothing yet.

        Args:
            index: Open index.
            taken: Called after each decision that is counted as made.
            facts: What is known of the dataset as a whole; nothing by default.
        """
        self.index, self._taken = index, taken
        self._facts = facts or Facts()
        self._rows: dict[str, ImageRow | None] = {}

    def row(self, path: str) -> ImageRow | None:
        """Return an image, ``None`` if it is not in the dataset any more."""
        if path not in self._rows:
            self._rows[path] = self.index.get(path)
        return self._rows[path]

    def fault(self, path: str) -> str:
        """Return why an image has no part in the training, or an empty string."""
        row, name = self.row(path), path.rpartition("/")[2]
        if row is None:
            return f"{name} is gone"
        if row.error is not None:
            return f"{name} cannot be read"
        return f"{name} is excluded" if row.excluded is not None else ""

    @cached_property
    def decided(self) -> dict[str, Decided]:
        """Everything that was decided before, by path."""
        return DecisionStore(self.index).all()

    def take(self, changes: Iterable[Change]) -> None:
        """Count decisions as made that are about to be."""
        for change in changes:
            if change.what == DECISIONS:
                self.decided[change.path] = unpacked(change.after)
        self._taken()

    @cached_property
    def spellings(self) -> Mapping[str, tuple[str, ...]]:
        """Tag, as it is spelt -> paths of the images whose captions have it."""
        found: dict[str, list[str]] = {}
        for row in self.index.each_usable():
            for tag in dict.fromkeys(row.tags):
                found.setdefault(tag, []).append(row.path)
        return {tag: tuple(paths) for tag, paths in found.items()}

    def has_spelling(self, tag: str) -> bool:
        """Return whether a caption has this tag, spelt like this."""
        return tag in self._facts.spellings(self.index)

    def has_problem(self, code: str) -> bool:
        """Return whether there is a problem with this code."""
        return code in self._facts.codes(self.index)

    @cached_property
    def _of_captions(self) -> Mapping[str, str]:
        """File without its suffix -> path of the image."""
        found = (row.path for row in self.index.each_usable())
        return {path.rpartition(".")[0]: path for path in found}

    def picture_of(self, path: str) -> str:
        """Return the image that a file is, or belongs to; empty for none."""
        row = self.row(path)
        if row is not None:
            return "" if row.error is not None else path
        return self._of_captions.get(path.rpartition(".")[0], "")

    @cached_property
    def boxes(self) -> Mapping[str, tuple[Box, ...]]:
        """Crops by path of the image."""
        return stored_crops.read(self.index.connection)

    def parts(self, row: ImageRow) -> list[Rect]:
        """Return the parts of an image that are trained on."""
        return crops.rects(self.boxes.get(row.path, ()), (row.width, row.height))

    def view(self) -> DatasetView:
        """Return the dataset as the pre-flight check sees it; large, so it is not kept."""
        return DatasetView(self.index, TRAINER)
