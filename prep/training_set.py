"""What a training set consists of: names, recipes and how to make each file. Writes nothing."""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
from PIL import Image

from prep.buckets import Fit
from prep.errors import UnreadableError
from prep.files import text_hash
from prep.images import decode
from prep.index import ImageRow
from prep.kohya import Subset, export_folder
from prep.pixels import Pixels, fitted
from prep.project import Project

Format = Literal["webp", "png"]

_KERNELS = 1
"""To be raised when the same source gives other pixels, so that old exports are made again."""
_EFFORT = 25
"""Of the lossless WebP encoder: measured 30 % faster than the default 80 on drawings, 63 % on
noisy photographs, for files at most 7 % larger."""


@dataclass(frozen=True)
class Wish:
    """A file that should exist.

    Attributes:
        name: Below the export folder, with slashes.
        recipe: Changes whenever the content would.
        make: Returns the content; may raise UnreadableError.
    """

    name: str
    recipe: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Example:
    """One image of the training set; ``caption`` is ``None`` when there is nothing to write."""

    source: str
    folder: str
    image: Wish
    caption: Wish | None


@dataclass(frozen=True)
class TrainingSet:
    """All of it; ``subsets`` have folders below the export folder."""

    examples: tuple[Example, ...]
    subsets: tuple[Subset, ...]


def training_set(project: Project, rows: Sequence[ImageRow], image_format: Format) -> TrainingSet:
    """Plan the export of images that are readable and hashed."""
    folders = _folders(project, rows)
    stems = _stems(project, rows)
    examples = []
    for row in rows:
        folder = folders[row.folder]
        base = f"{folder}/{stems[row.path]}"
        caption = _caption_wish(project, row, base)
        image = _image_wish(project, row, base, image_format)
        examples.append(Example(row.path, folder, image, caption))
    subsets = (Subset(folders[name], project.concept(name)) for name in folders)
    return TrainingSet(tuple(examples), tuple(subsets))


def _folders(project: Project, rows: Sequence[ImageRow]) -> dict[str, str]:
    """Return the export folder of each concept folder; ``10_a`` and ``a`` x 10 stay apart."""
    names = sorted({row.folder for row in rows})
    wanted = (export_folder(project.concept(name)) for name in names)
    return dict(zip(names, _distinct(wanted), strict=True))


def _stems(project: Project, rows: Sequence[ImageRow]) -> dict[str, str]:
    """Return a file name without its suffix for each image, unique within its concept.

    Subfolders become part of the name, since sd-scripts looks at one folder only, and ``a.png``
    and ``a.jpg``, which share one caption file in the dataset, get one each.
    """
    stems: dict[str, str] = {}
    for folder in {row.folder for row in rows}:
        members = [row.path for row in rows if row.folder == folder]
        base = PurePosixPath(project.relative(project.dataset)) / folder
        inside = (PurePosixPath(path).relative_to(base).with_suffix("") for path in members)
        stems |= dict(zip(members, _distinct("-".join(path.parts) for path in inside), strict=True))
    return stems


def _distinct(names: Iterator[str]) -> Iterator[str]:
    """Number names that are taken: a, a-2, a-3. Case does not count, as on Windows and macOS."""
    wanted = list(names)
    taken: set[str] = set()
    # A name that occurs once is never renamed on account of one that was numbered.
    once = {name for name, count in Counter(map(str.casefold, wanted)).items() if count == 1}
    for name in wanted:
        choice, number = name, 1
        while choice.casefold() in taken or (number > 1 and choice.casefold() in once):
            number += 1
            choice = f"{name}-{number}"
        taken.add(choice.casefold())
        yield choice


def _caption_wish(project: Project, row: ImageRow, base: str) -> Wish | None:
    """Return the caption as the sidecar has it, else the trigger word; never an empty one."""
    # A byte order mark would become part of the first tag.
    text = (row.caption or "").removeprefix("\ufeff")
    if not text.strip():
        text = project.concept(row.folder).trigger
    if not text:
        return None
    name = base + project.settings.captions.extension
    return Wish(name, f"caption {text_hash(text)}", partial(text.encode, "utf-8"))


def _image_wish(project: Project, row: ImageRow, base: str, image_format: Format) -> Wish:
    fit = project.buckets.fit((row.width, row.height))
    recipe = f"image {_KERNELS} {row.content} {image_format} {fit.bucket} {fit.resized}"
    return Wish(
        f"{base}.{image_format}",
        f"{recipe} {fit.left} {fit.top}",
        partial(_rendered, project.root / row.path, (row.width, row.height), fit, image_format),
    )


def _rendered(file: Path, size: tuple[int, int], fit: Fit, image_format: Format) -> bytes:
    picture = decode(file)
    if picture.size != size:
        raise UnreadableError(f"{file.name}: it has changed since the last scan")
    return encode(fitted(picture, fit), image_format)


def encode(pixels: Pixels, image_format: Format) -> bytes:
    """Return an image file without loss; ``pixels`` are RGB, shape (height, width, 3)."""
    if image_format == "png":
        # Pillow's writer takes seven times as long (measured on 1 MP crops).
        return bytes(cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1])
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", lossless=True, method=0, quality=_EFFORT)
    return buffer.getvalue()
