"""Plan a training set: the name, recipe and content of each file. Writes nothing.

An image yields one example per crop, or a single one of the whole image.
"""

import io
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from prep.dataset import masks, stored_crops
from prep.dataset.index import ImageRow
from prep.dataset.masks import Mask
from prep.errors import UnreadableError
from prep.images import PIXELS_VERSION, crops, decode
from prep.images.buckets import Fit, Size
from prep.images.crops import Rect
from prep.images.pixels import Pixels, fitted
from prep.project import Project
from prep.system.files import text_hash
from prep.system.names import disk_key, natural_key, shortened
from prep.training_set.kohya import ExportSubset, export_folder

Format = Literal["webp", "png"]

MASKS_FOLDER = "masks"
"""Folder of the masks, beside the folders of the images and with the same folders inside."""
CONDITIONS_FOLDER = "conditions"
"""Folder of the conditioning pictures, likewise."""
_KERNELS = 1
"""Version of the scaling: raise it when the same decoded picture gives other pixels."""
_ROOM = 48
"""Bytes that a stem leaves for what is appended: a number, and suffixes such as
``_1024x1024_sdxl.npz`` of the caches that trainers write beside the images."""
_EFFORT = 0
"""Effort of the lossless WebP encoder, 0 to 100. On 1 MP crops, 25 takes up to 28 % longer and
50 twice as long, for files at most 1 % smaller."""


@dataclass(frozen=True)
class OutputFile:
    """A file that an export should contain.

    Attributes:
        name: Path below the export folder, with slashes.
        recipe: A text that changes whenever the content would.
        make: Returns the content; may raise UnreadableError.
    """

    name: str
    recipe: str
    make: Callable[[], bytes]


@dataclass(frozen=True)
class Example:
    """One image of the training set.

    Attributes:
        source: Path in the index of the source image; one source may yield several examples.
        folder: Its folder below the export folder.
        image: The picture, cropped and scaled to its bucket.
        caption: ``None`` if there is nothing to write.
        rect: The part of the upright source that it shows, in pixels.
        fit: How that part is fitted into its bucket.
        mask: Its mask, grey PNG, with the same fit; ``None`` if it has none.
        condition: Its conditioning picture, PNG, with the same fit; ``None`` if it has none.
        drawn_mask: The mask is a separate file, not the transparency of the picture.
    """

    source: str
    folder: str
    image: OutputFile
    caption: OutputFile | None
    rect: Rect
    fit: Fit
    mask: OutputFile | None = None
    condition: OutputFile | None = None
    drawn_mask: bool = False


@dataclass(frozen=True)
class TrainingSet:
    """All examples and subsets; ``subsets`` have folders below the export folder."""

    examples: tuple[Example, ...]
    subsets: tuple[ExportSubset, ...]


@dataclass(frozen=True)
class _Piece:
    """A part of an image that becomes one example."""

    row: ImageRow
    rect: Rect
    fit: Fit

    @property
    def cut(self) -> str:
        """The crop and fit as text, for a recipe."""
        fit = self.fit
        whole = self.rect.corners == (0, 0, self.row.width, self.row.height)
        crop = "" if whole else f" of {self.rect.corners}"
        return f"{fit.bucket} {fit.resized} {fit.left} {fit.top}{crop}"

    def pixels(self, picture: Image.Image) -> Pixels:
        """Return the pixels of the example.

        Raises:
            UnreadableError: The picture does not have its size in the index.
        """
        if picture.size != (self.row.width, self.row.height):
            name = PurePosixPath(self.row.path).name
            raise UnreadableError(f"{name}: it has changed since the last scan")
        if self.rect.size != picture.size:
            picture = picture.crop(self.rect.corners)
        return fitted(picture, self.fit)


def training_set(
    project: Project,
    rows: Sequence[ImageRow],
    image_format: Format,
    *,
    alpha_masks: bool = False,
) -> TrainingSet:
    """Plan the export of images that are readable and hashed.

    Args:
        project: The project; its crops are applied.
        rows: The images.
        image_format: Format of the pictures.
        alpha_masks: Also put masks into the alpha channel of their pictures.
    """
    folders = _folders(project, rows)
    pieces = _pieces(project, rows)
    finder = masks.Finder(project)
    examples = []
    for piece, stem in zip(pieces, _stems(project, pieces), strict=True):
        row, folder = piece.row, folders[piece.row.folder]
        base, mask = f"{folder}/{stem}", finder.mask(row)
        drawn, condition = mask if alpha_masks else None, finder.condition(row)
        example = Example(
            row.path,
            folder,
            _image_output(project, piece, base, image_format, drawn),
            _caption_output(project, row, base),
            piece.rect,
            piece.fit,
            _mask_output(piece, f"{MASKS_FOLDER}/{base}", mask) if mask else None,
            _condition_output(piece, f"{CONDITIONS_FOLDER}/{base}", condition)
            if condition
            else None,
            mask is not None and mask.source != "alpha",
        )
        examples.append(example)
    subsets = (ExportSubset(folders[name], project.concept(name)) for name in folders)
    return TrainingSet(tuple(examples), tuple(subsets))


def _pieces(project: Project, rows: Sequence[ImageRow]) -> list[_Piece]:
    boxes, buckets = stored_crops.stored(project), project.buckets
    return [
        _Piece(row, rect, buckets.fit(rect.size))
        for row in rows
        for rect in crops.rects(boxes.get(row.path, ()), (row.width, row.height))
    ]


def _folders(project: Project, rows: Sequence[ImageRow]) -> dict[str, str]:
    """Return the export folder of each concept folder; ``10_a`` and ``a`` x 10 stay separate."""
    names = sorted({row.folder for row in rows}, key=natural_key)
    wanted = (shortened(export_folder(project.concept(name)), _ROOM) for name in names)
    return dict(zip(names, _distinct(wanted), strict=True))


def _stems(project: Project, pieces: Sequence[_Piece]) -> list[str]:
    """Return a file name without its suffix for each piece, unique within its concept.

    Subfolders become part of the name, since sd-scripts reads only one folder, and ``a.png``
    and ``a.jpg``, which share one caption file in the dataset, get one each. Several crops of an
    image are numbered: ``a-crop1``, ``a-crop2``.
    """
    stems = [""] * len(pieces)
    count = Counter(piece.row.path for piece in pieces)
    for folder in sorted({piece.row.folder for piece in pieces}, key=natural_key):
        base = PurePosixPath(project.relative(project.dataset)) / folder
        members = [number for number, piece in enumerate(pieces) if piece.row.folder == folder]
        wanted, seen = [], Counter[str]()
        for number in members:
            path = pieces[number].row.path
            seen[path] += 1
            name = "-".join(PurePosixPath(path).relative_to(base).with_suffix("").parts)
            crop = f"-crop{seen[path]}" if count[path] > 1 else ""
            wanted.append(shortened(name, _ROOM + len(crop)) + crop)
        for number, stem in zip(members, _distinct(iter(wanted)), strict=True):
            stems[number] = stem
    return stems


def _distinct(names: Iterator[str]) -> Iterator[str]:
    """Number names that are taken on some disk: a, a-2, a-3."""
    wanted = list(names)
    taken: set[str] = set()
    # A unique name is never renamed because of a numbered one.
    once = {name for name, count in Counter(map(disk_key, wanted)).items() if count == 1}
    for name in wanted:
        choice, number = name, 1
        while disk_key(choice) in taken or (number > 1 and disk_key(choice) in once):
            number += 1
            choice = f"{name}-{number}"
        taken.add(disk_key(choice))
        yield choice


def _caption_output(project: Project, row: ImageRow, base: str) -> OutputFile | None:
    """Return the caption from the sidecar, else the trigger word; never an empty one."""
    # A byte order mark would become part of the first tag.
    text = (row.caption or "").removeprefix("\ufeff")
    if not text.strip():
        text = project.concept(row.folder).trigger
    if not text:
        return None
    name = base + project.settings.captions.extension
    return OutputFile(name, f"caption {text_hash(text)}", partial(text.encode, "utf-8"))


def _image_output(
    project: Project, piece: _Piece, base: str, image_format: Format, mask: Mask | None
) -> OutputFile:
    recipe = f"image {PIXELS_VERSION} {_KERNELS} {piece.row.content} {image_format} {piece.cut}"
    if mask is not None:
        recipe += f" mask {mask.source} {masks.mark(mask.file)}"
    file = project.root / piece.row.path

    def make() -> bytes:
        pixels = piece.pixels(decode(file))
        if mask is not None:
            # Scaled separately: the colours of hidden pixels are trained on regardless.
            hidden = piece.pixels(masks.read(mask, piece.row))
            pixels = np.dstack((pixels, hidden))
        return encode(pixels, image_format)

    return OutputFile(f"{base}.{image_format}", recipe, make)


def _mask_output(piece: _Piece, base: str, mask: Mask) -> OutputFile:
    recipe = f"mask {_KERNELS} {mask.source} {masks.mark(mask.file)} {piece.cut}"

    def make() -> bytes:
        return encode(piece.pixels(masks.read(mask, piece.row)), "png")

    return OutputFile(f"{base}.png", recipe, make)


def _condition_output(piece: _Piece, base: str, file: Path) -> OutputFile:
    recipe = f"condition {_KERNELS} {masks.mark(file)} {piece.cut}"

    def make() -> bytes:
        return encode(piece.pixels(masks.read_condition(file, piece.row)), "png")

    return OutputFile(f"{base}.png", recipe, make)


def white_mask(example: Example) -> OutputFile:
    """Return an all-white mask for an example without one."""
    size: Size = example.fit.bucket
    name = f"{MASKS_FOLDER}/{Path(example.image.name).with_suffix('.png').as_posix()}"

    def make() -> bytes:
        return encode(fitted(masks.white(size), Fit(size, size, 0, 0, 1.0)), "png")

    return OutputFile(name, f"white {size}", make)


_TO_BGR = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}


def encode(pixels: Pixels, image_format: Format) -> bytes:
    """Encode an image without loss.

    Args:
        pixels: RGB or RGBA, shape (height, width, 3 or 4), or grey, shape (height, width).
        image_format: Format of the file.
    """
    if image_format == "png":
        # Pillow's writer takes seven times as long (measured on 1 MP crops).
        channels = 2 if pixels.ndim == 2 else pixels.shape[2]
        order = _TO_BGR[channels]
        ordered = pixels if order is None else cv2.cvtColor(pixels, order)
        return bytes(cv2.imencode(".png", ordered)[1])
    buffer = io.BytesIO()
    # exact: colours hidden by the alpha channel are trained on regardless.
    Image.fromarray(pixels).save(
        buffer, "WEBP", lossless=True, method=0, quality=_EFFORT, exact=True
    )
    return buffer.getvalue()
