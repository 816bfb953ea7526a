"""Show how each trainer reads an image: as text, and as a picture."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prep import events
from prep.dataset import stored_crops
from prep.dataset.index import ImageRow, Index
from prep.errors import ConfigError, UnreadableError
from prep.images import crops, decode, decode_raw
from prep.images.buckets import Fit
from prep.images.pixels import fitted, resized
from prep.ops.buckets import seen
from prep.project import Project, Section
from prep.system.files import write_bytes
from prep.system.names import same_name
from prep.training_set.trainers import Trainer, TrainerView, views

_TALL = 320
"""Pixels, the height of each picture on the sheet."""
_GAP, _LINE = 16, 20
_PAPER, _INK, _CUT = (250, 250, 248), (30, 30, 34), np.array([214, 40, 57])


class PreviewOptions(Section):
    """Which image, and where its picture goes."""

    image: str
    """The image: its path below the project, or any part of it that only one image has."""
    out: Path | None = None
    """Write a picture of it: kept areas, strips that are cut off (red), and the results."""


def run(project: Project, options: PreviewOptions) -> Iterator[events.Event]:
    """Show how each trainer reads one image.

    Yields:
        A Seen for each trainer (and for each crop, with shikomi's export); Written for the picture;
        Finished with ``path``, ``views`` and ``out``.

    Raises:
        ConfigError: No image has this name, several have, or it cannot be used.
        UserError: The picture cannot be written.
    """
    with Index(project) as index:
        row = _chosen(index, options.image)
        boxes = stored_crops.read(index.connection).get(row.path, ())
    found = views(project, row, crops.rects(boxes, (row.width, row.height)))
    for view in found:
        yield seen(row, view)
    if options.out is not None:
        write_bytes(options.out, _png(sheet(project.root / row.path, found)))
        yield events.Written(str(options.out))
    out = str(options.out) if options.out else None
    yield events.Finished({"path": row.path, "views": len(found), "out": out})


def outlined(image: Image.Image, fit: Fit) -> Image.Image:
    """Return the scaled picture, red where the trainer cuts it off."""
    pixels = resized(image, fit.resized)
    tinted = (pixels // 4 + _CUT * 3 // 4).astype(np.uint8)
    rows = slice(fit.top, fit.top + fit.bucket[1])
    columns = slice(fit.left, fit.left + fit.bucket[0])
    tinted[rows, columns] = pixels[rows, columns]
    return Image.fromarray(tinted)


def sheet(file: Path, found: list[TrainerView]) -> Image.Image:
    """Draw each view: the picture with its strips on the left, the result on the right.

    Raises:
        ConfigError: The file can no longer be read.
    """
    try:
        panels = [_panel(_read(file, view.trainer), view) for view in found]
    except UnreadableError as error:
        raise ConfigError(error.message) from error
    width = max(panel.width for panel in panels) + 2 * _GAP
    height = sum(panel.height + _GAP for panel in panels) + _GAP
    made, top = Image.new("RGB", (width, height), _PAPER), _GAP
    for panel in panels:
        made.paste(panel, (_GAP, top))
        top += panel.height + _GAP
    return made


def _read(file: Path, trainer: Trainer) -> Image.Image:
    """Read the file like the trainer."""
    return (
        decode(file) if trainer == "shikomi" else decode_raw(file, upright=trainer == "onetrainer")
    )


def _panel(source: Image.Image, view: TrainerView) -> Image.Image:
    """Draw one view below its description."""
    lines = _words(view)
    pictures = []
    if view.fit is not None:
        part = source.crop(view.rect.corners)
        pictures = [
            _small(outlined(part, view.fit)),
            _small(Image.fromarray(fitted(part, view.fit))),
        ]
    width = max(620, sum(picture.width + _GAP for picture in pictures))
    panel = Image.new("RGB", (width, len(lines) * _LINE + (_TALL if pictures else 0)), _PAPER)
    pen, font = ImageDraw.Draw(panel), ImageFont.load_default(15)
    for number, line in enumerate(lines):
        pen.text((0, number * _LINE), line, _INK, font)
    left = 0
    for picture in pictures:
        panel.paste(picture, (left, len(lines) * _LINE))
        left += picture.width + _GAP
    return panel


def _words(view: TrainerView) -> list[str]:
    if view.fit is None:
        return [f"{view.trainer}: {'; '.join(view.notes)}"]
    fit = view.fit
    part = f"{view.rect.size[0]}x{view.rect.size[1]}"
    lines = [
        f"{view.trainer}: {part} scaled to {fit.resized[0]}x{fit.resized[1]},"
        f" bucket {fit.bucket[0]}x{fit.bucket[1]}, {fit.cut:.0%} cut off"
    ]
    return [*lines, *view.notes]


def _small(picture: Image.Image) -> Image.Image:
    scale = _TALL / picture.height
    size = (min(1200, max(1, round(picture.width * scale))), _TALL)
    return picture.resize(size, Image.Resampling.LANCZOS)


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _chosen(index: Index, name: str) -> ImageRow:
    """Return the image of this path, or the only one whose path contains it."""
    wanted = same_name(name)
    rows = [(same_name(row.path), row) for row in index.select()]
    exact = [row for path, row in rows if wanted in (path, path.rpartition("/")[2])]
    found = exact if len(exact) == 1 else [row for path, row in rows if wanted in path]
    if len(found) != 1:
        fault = "No image is" if not found else f"{len(found)} images are"
        raise ConfigError(f"{fault} called {name}.", "List paths with: shikomi ls")
    row = found[0]
    if row.error is not None:
        raise ConfigError(f"{row.path} cannot be used: {row.error}.")
    return row
