"""Measure the quality of the training images of a project, once per content and training size."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.dataset.values import quality_values
from prep.dataset.values.quality_values import ValueKey
from prep.errors import UnreadableError
from prep.images import crops
from prep.images.buckets import Fit, Size
from prep.images.crops import Box, Rect
from prep.images.quality.kinds import Values
from prep.images.quality.measures import measure
from prep.system.parallel import ordered

_BATCH = 64
"""Results per transaction: the most that an interrupted run loses."""


@dataclass(frozen=True, slots=True)
class MeasuredPart:
    """One training image: a part of an image, and its fit in the bucket."""

    row: ImageRow
    rect: Rect
    fit: Fit

    @property
    def key(self) -> ValueKey:
        """Key of its stored values."""
        return self.row.content or "", quality_values.cut(self.rect, self.fit)


def views(index: Index, rows: Iterable[ImageRow]) -> Iterator[MeasuredPart]:
    """Yield the training images of these readable images."""
    boxes, buckets = stored_crops.read(index.connection), index.project.buckets

    @cache  # images without crops have few sizes
    def fitted(cropped: tuple[Box, ...], size: Size) -> list[tuple[Rect, Fit]]:
        return [(rect, buckets.fit(rect.size)) for rect in crops.rects(cropped, size)]

    for row in rows:
        for rect, fit in fitted(boxes.get(row.path, ()), (row.width, row.height)):
            yield MeasuredPart(row, rect, fit)


def known(index: Index, wanted: Iterable[MeasuredPart]) -> dict[ValueKey, Values]:
    """Return the stored values, by ``MeasuredPart.key``."""
    return quality_values.known(index.connection, (view.key for view in wanted))


def measured(
    index: Index, wanted: Iterable[MeasuredPart], values: dict[ValueKey, Values]
) -> Iterator[events.Event]:
    """Measure the parts missing in ``values``, in threads; add them there and save them.

    Yields:
        Progress; Skipped for images that cannot be decoded, which are marked in the index.
    """
    missing = {view.key: view for view in wanted if view.key not in values}
    root, throttle = index.project.root, events.Throttle()

    def attempt(view: MeasuredPart) -> Values | UnreadableError:
        row = view.row
        try:
            size = (row.width, row.height)
            return measure(root / row.path, size, view.rect, view.fit, alpha=row.alpha)
        except UnreadableError as error:
            return error

    unsaved: list[tuple[ValueKey, Values]] = []
    try:
        with closing(ordered(attempt, missing.values())) as results:
            for done, (view, result) in enumerate(results, 1):
                if isinstance(result, UnreadableError):
                    yield _given_up(index, view.row, result)
                else:
                    values[view.key] = result
                    unsaved.append((view.key, result))
                if len(unsaved) >= _BATCH:
                    quality_values.save(index.connection, unsaved)
                    unsaved = []
                yield from events.tick("measuring", len(missing), throttle, done)
    finally:
        quality_values.save(index.connection, unsaved)


def _given_up(index: Index, row: ImageRow, error: UnreadableError) -> events.Skipped:
    reason = error.message.removeprefix(f"{Path(row.path).name}: ")
    index.put_error(row.path, reason)
    return events.Skipped(row.path, reason)
