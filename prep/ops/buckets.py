"""Show which bucket each image trains in, and what a trainer makes of it."""

from collections import defaultdict
from collections.abc import Iterator

from prep import events
from prep.buckets import Fit, Size
from prep.index import ImageRow, Index
from prep.project import Project, Section

_MUCH = 0.1
"""Losing a tenth of the picture is worth a word."""


class BucketsOptions(Section):
    """Which images to place."""

    where: str = ""
    """Only images that match this filter; all images when empty."""


def preview(project: Project, row: ImageRow) -> Fit:
    """Return how a readable image meets its bucket: what is scaled, what is cut off."""
    return project.buckets.fit((row.width, row.height))


def run(project: Project, options: BucketsOptions | None = None) -> Iterator[events.Event]:
    """Sort the usable images into buckets.

    Yields:
        Bucket for each bucket in use, sorted by width and height; Warned about images that are
        alone in theirs, are enlarged or lose much; Finished with ``images``, ``buckets``,
        ``upscaled`` (images that are enlarged) and ``cut`` (images that lose over a tenth).

    Raises:
        ConfigError: The filter has a fault.
    """
    options = options or BucketsOptions()
    with Index(project) as index:
        rows = [row for row in index.select(options.where) if row.usable]
    placed: dict[Size, list[ImageRow]] = defaultdict(list)
    fits = {row.path: preview(project, row) for row in rows}
    for row in rows:
        placed[fits[row.path].bucket].append(row)
    for (width, height), members in sorted(placed.items()):
        yield events.Bucket(width, height, [row.path for row in members])
    upscaled = {path: fit.scale for path, fit in fits.items() if fit.upscaled}
    cut = [path for path, fit in fits.items() if fit.cut > _MUCH]
    yield from _advice(project, placed, upscaled, cut)
    yield events.Finished(
        {
            "images": len(rows),
            "buckets": len(placed),
            "upscaled": len(upscaled),
            "cut": len(cut),
        }
    )


def _advice(
    project: Project,
    placed: dict[Size, list[ImageRow]],
    upscaled: dict[str, float],
    cut: list[str],
) -> Iterator[events.Event]:
    lonely = [
        members[0].path
        for members in placed.values()
        if len(members) == 1 and project.concept(members[0].folder).repeats == 1
    ]
    if lonely and len(placed) > 1:
        yield events.Warned(
            f"{_images(lonely)} alone in a bucket: batches there hold one image.",
            "Crop them to a more usual shape, or leave them.",
        )
    if upscaled:
        yield events.Warned(
            f"{_images(list(upscaled))} enlarged to fill the bucket, up to"
            f" {max(upscaled.values()):.2g} times, and trained as soft as that looks.",
            "Find larger versions, exclude them, or set no_upscale = true in [buckets].",
        )
    if cut:
        yield events.Warned(
            f"{_images(cut)} cut by more than {_MUCH:.0%}.",
            "Look at the preview: crop them yourself where something that matters is lost.",
        )


def _images(paths: list[str]) -> str:
    return f"{paths[0]} is" if len(paths) == 1 else f"{len(paths)} images ({paths[0]}, …) are"
