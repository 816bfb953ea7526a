"""Show the bucket of each image, and how a trainer reads the image."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydantic import Field

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.images import crops
from prep.images.buckets import Fit, Size, enlargement
from prep.language import english, quantity
from prep.project import Project, Section
from prep.training_set.bucket_groups import MUCH
from prep.training_set.plan.split import exposures
from prep.training_set.trainers import Loss, Trainer, TrainerView, views

_NAMED = 3
"""Maximum of buckets listed in a warning."""


class BucketsOptions(Section):
    """Which images to place, and by whose rules."""

    where: str = ""
    """Only images that match this filter."""
    trainer: Trainer = "shikomi"
    """Whose buckets to show: shikomi (the exported set with its crops, as the bundled trainer and
    sd-scripts read it), sd-scripts or onetrainer (the original files)."""
    each: bool = False
    """Show every image: its bucket, scale, and the strips that are cut off."""
    batch_size: int | None = Field(None, ge=1, le=1024)
    """Images per batch. Default: that of the project."""


_LOSSES: dict[Loss, str] = {
    "unread": "not read: the trainer does not support the file type",
    "exif": "trained on as stored, not upright: EXIF rotation is ignored",
    "alpha": "trained on with the hidden pixels, mostly black",
    "crops": "trained on as a whole: only the export applies crops",
}


@dataclass
class _Placed:
    """The training images of one bucket."""

    rows: list[ImageRow] = field(default_factory=list)
    views: list[TrainerView] = field(default_factory=list)
    exposures: int = 0


def preview(project: Project, row: ImageRow) -> Fit:
    """Return how a readable image, as a whole, is fitted into its bucket."""
    return project.buckets.fit((row.width, row.height))


def seen(row: ImageRow, view: TrainerView) -> events.Seen:
    """Return a view as an event."""
    part, notes = list(view.rect.corners), list(view.notes)
    fit = view.fit
    if fit is None:
        return events.Seen(row.path, view.trainer, part, [], [], [], 0.0, 0.0, notes)
    right = fit.resized[0] - fit.bucket[0] - fit.left
    bottom = fit.resized[1] - fit.bucket[1] - fit.top
    return events.Seen(
        row.path,
        view.trainer,
        part,
        list(fit.bucket),
        list(fit.resized),
        [fit.left, fit.top, right, bottom],
        round(fit.scale, 4),
        round(fit.cut, 4),
        notes,
    )


def run(project: Project, options: BucketsOptions | None = None) -> Iterator[events.Event]:
    """Sort the usable images into buckets.

    Yields:
        With ``each`` a Seen for each training image; Bucket for each bucket in use, sorted by
        width and height; Warned about images that are alone in their bucket, enlarged, lose much or
        are not read, and about batches that are not full; Finished with ``images`` (training
        images: several for an image with several crops), ``buckets``, ``upscaled`` (enlarged,
        however little), ``cut`` (lose over a tenth), ``unread`` and ``dropped`` (exposures that
        onetrainer drops each epoch).

    Raises:
        ConfigError: The filter or the [train] table is not valid.
    """
    # Imported late: the plan also uses this module.
    from prep.ops.plan import PlanOptions, step_settings

    options = options or BucketsOptions()
    batch = step_settings(project, PlanOptions(batch_size=options.batch_size)).batch_size
    with Index(project) as index:
        rows = [row for row in index.select(options.where) if row.usable]
    if options.trainer == "shikomi":  # like the export, which leaves out images with such captions
        broken = [row.path for row in rows if row.caption_error is not None]
        rows = [row for row in rows if row.caption_error is None]
        if broken:
            yield events.Warned(
                f"{_images(broken)} left out of training: the caption cannot be read.",
                "Most can be saved as UTF-8 with: shikomi check --fix",
            )
    pairs = _pairs(project, rows, options.trainer)
    if options.each:
        yield from (seen(row, view) for row, view in pairs)
    placed = _placed(project, pairs, options.trainer)
    for (width, height), found in sorted(placed.items()):
        paths = [row.path for row in found.rows]
        parts = [view.rect.corners for view in found.views]
        full, rest = divmod(found.exposures, batch)
        batches = full if options.trainer == "onetrainer" else full + bool(rest)
        yield events.Bucket(width, height, paths, parts, found.exposures, batches, rest)
    yield from _advice(placed, pairs)
    yield from _batch_advice(options.trainer, placed, batch)
    dropped = sum(found.exposures % batch for found in placed.values())
    fits = [view.fit for _, view in pairs if view.fit]
    summary = {
        "images": len(pairs),
        "buckets": len(placed),
        "upscaled": sum(fit.upscaled for fit in fits),
        "cut": sum(fit.cut > MUCH for fit in fits),
        "unread": len(pairs) - len(fits),
        "dropped": dropped if options.trainer == "onetrainer" else 0,
    }
    yield events.Finished(summary)


def _pairs(
    project: Project, rows: Sequence[ImageRow], trainer: Trainer
) -> list[tuple[ImageRow, TrainerView]]:
    """Return what the trainer sees of each image: one view per crop."""
    boxes = stored_crops.stored(project)
    return [
        (row, view)
        for row in rows
        for view in views(
            project,
            row,
            crops.rects(boxes.get(row.path, ()), (row.width, row.height)),
            (trainer,),
        )
    ]


def _placed(
    project: Project, pairs: Sequence[tuple[ImageRow, TrainerView]], trainer: Trainer
) -> dict[Size, _Placed]:
    concepts = {folder: project.concept(folder) for folder in {row.folder for row, _ in pairs}}
    read = [(row, view, view.fit) for row, view in pairs if view.fit is not None]
    repeats = [concepts[row.folder].repeats for row, _, _ in read]
    if trainer != "onetrainer":  # which has no regularisation images
        regular = [concepts[row.folder].settings.regularization for row, _, _ in read]
        repeats = exposures(repeats, regular)
    placed: dict[Size, _Placed] = defaultdict(_Placed)
    for (row, view, fit), times in zip(read, repeats, strict=True):
        found = placed[fit.bucket]
        found.rows.append(row)
        found.views.append(view)
        found.exposures += times
    return placed


def _advice(
    placed: dict[Size, _Placed], pairs: Sequence[tuple[ImageRow, TrainerView]]
) -> Iterator[events.Event]:
    lonely = [found.rows[0].path for found in placed.values() if found.exposures == 1]
    if lonely and len(placed) > 1:
        yield events.Warned(
            f"{_images(lonely)} alone in a bucket, so its batches have one image.",
            "Crop them to a more usual shape (shikomi crop --bucket), or keep them.",
        )
    scales = {row.path: view.fit.scale for row, view in pairs if view.fit}
    enlarged = [path for path, scale in scales.items() if enlargement(scale)]
    if enlarged:
        yield events.Warned(
            f"{_images(enlarged)} enlarged to fill the bucket, up to"
            f" {enlargement(max(scales.values()))}, and trained on with that blur.",
            "Find larger versions, exclude them, or set no_upscale = true in [buckets].",
        )
    cut = [row.path for row, view in pairs if view.fit and view.fit.cut > MUCH]
    if cut:
        yield events.Warned(
            f"{_images(cut)} cut by more than {MUCH:.0%}.",
            "Check them (shikomi preview), and choose what is kept: shikomi crop --subject",
        )
    for loss, what in _LOSSES.items():
        paths = [row.path for row, view in pairs if loss in view.losses]
        if paths:
            yield events.Warned(f"{_images(paths)} {what}.", "shikomi export fixes it.")


def _batch_advice(
    trainer: Trainer, placed: dict[Size, _Placed], batch: int
) -> Iterator[events.Event]:
    short = {size: found for size, found in placed.items() if found.exposures % batch}
    if trainer == "onetrainer":
        never = {size: found for size, found in short.items() if found.exposures < batch}
        if never:
            paths = [row.path for found in never.values() for row in found.rows]
            yield events.Warned(
                f"{_images(paths)} never used by OneTrainer: their buckets ({_named(never)})"
                f" have less than a batch of {batch}.",
                "Crop them to another bucket, raise repeats, or lower the batch size.",
            )
        rest = sum(found.exposures % batch for found in short.values())
        total = sum(found.exposures for found in placed.values())
        if rest and len(short) > len(never):
            yield events.Warned(
                english(
                    "OneTrainer drops {count} of {total} exposures in each epoch, another one each"
                    " time: it does not fill a batch.",
                    "OneTrainer drops {count} of {total} exposures in each epoch, different ones"
                    " each time: those that do not fill a batch.",
                    rest,
                    total=total,
                ),
                "A batch size that divides the buckets avoids this: see the table.",
            )
    elif short:
        rest = sum(found.exposures % batch for found in short.values())
        wasted = len(short) - math.ceil(rest / batch)
        more = quantity(wasted, "more batch", "more batches") if wasted else "no more batches"
        yield events.Warned(
            f"The last batch is not full in {len(short)} of {quantity(len(placed), 'bucket')}"
            f" ({_named(short)}): {more} per epoch than with one bucket.",
            "Each counts as a whole batch, so its images weigh more. See: shikomi plan",
        )


def _named(placed: dict[Size, _Placed]) -> str:
    names = [f"{width}x{height}" for width, height in sorted(placed)]
    return ", ".join([*names[:_NAMED], "…"] if len(names) > _NAMED else names)


def _images(paths: list[str]) -> str:
    if len(paths) == 1:
        return f"1 image ({paths[0]}) is"
    return f"{len(paths)} images ({paths[0]}, …) are"
