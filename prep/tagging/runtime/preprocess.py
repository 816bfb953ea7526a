"""From an image file to the pixels that a tagger expects, as described by its record.

The recipe of WD taggers: transparency on white, a white square around the centred picture, bicubic
to the model's side, blue-green-red, 0-255 without scaling. EXIF rotation is applied first.
For a model that wants to know which pixels are padding, a fourth channel says so.

``reference`` does exactly that. ``fast`` starts with a picture reduced while decoding (JPEG)
or by averaging whole blocks, as far as it stays large enough, and places it to the same
fraction of a pixel; ``benchmarks/tagger_pixels.py`` measures the difference.
"""

from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import images
from prep.errors import UnreadableError
from prep.images.buckets import Size
from prep.system import parallel
from prep.tagging.models.records import WD, Record
from prep.tagging.runtime.staged import KERNELS, staged

Decode = Literal["fast", "reference"]
Levels = NDArray[Any]
"""Levels from 0 to 255, whole or not; shape (height, width, 3), or 4 with padding: 255 is padding,
0 is picture."""

_BAND = 256
"""Rows padded and shrunk at once."""
_BLUE_FIRST = [2, 1, 0, 3]
_MAX_SIDE = 65_535
"""Maximum side, pixels, of any JPEG: a longer picture's square would fill the memory."""


@dataclass(frozen=True)
class Recipe:
    """Input of a loaded tagger: its side in pixels, its record, and the decode mode."""

    side: int
    record: Record = WD
    decode: Decode = "reference"


@dataclass(frozen=True)
class _Reduced:
    """A picture whose pixels each represent ``times`` x ``times`` pixels of the full one."""

    image: Image.Image
    full: Size
    times: int

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the full picture, in pixels of this one."""
        return self.full[0] / self.times, self.full[1] / self.times


def pixels(path: Path, recipe: Recipe) -> Levels:
    """Return the tagger's input for a file, 0 to 255.

    Raises:
        UnreadableError: As in ``images.decode``, or the picture is far too long.
    """
    record = recipe.record
    # If sides are scaled differently, the shorter one would lose detail that it needs.
    if recipe.decode == "fast" and record.fit in ("pad", "letterbox") and not record.stages:
        found = _fast(path, recipe)
    else:
        found = _fitted(_checked(images.decode(path), path), recipe)
    return found[..., _BLUE_FIRST[: found.shape[2]]] if record.channels == "BGR" else found


def ahead(
    paths: Iterable[Path], recipe: Recipe, threads: int = 0, most: int = 0
) -> Generator[tuple[Path, Levels | UnreadableError], None, None]:
    """Yield the pixels of each file in order, decoded in threads ahead of the consumer.

    Args:
        paths: Image files.
        recipe: Input of the tagger.
        threads: 0 for one per core.
        most: Pictures that may wait, decoded or not; at least twice as many as threads.
    """

    def attempt(path: Path) -> Levels | UnreadableError:
        try:
            return pixels(path, recipe)
        except UnreadableError as error:
            return error

    return parallel.ordered(attempt, paths, threads, ahead=most)


def square(
    image: Image.Image,
    side: int,
    background: tuple[int, int, int] = (255, 255, 255),
    kernel: Image.Resampling = Image.Resampling.BICUBIC,
) -> Image.Image:
    """Pad an RGB image to a square and scale it to ``side`` x ``side`` pixels.

    The result is bit-identical to padding first and then resizing. Resizing works on rows,
    then on columns, so the rows are padded and shrunk in bands: the full square, 12 times the
    size of the picture for a banner of 12:1, never exists.
    """
    full = max(image.size)
    top = (full - image.height) // 2
    strip = Image.new("RGB", (side, full), background)
    for start, band in _bands(image, full, background):
        strip.paste(band.resize((side, band.height), kernel), (0, top + start))
    return strip.resize((side, side), kernel)


def _bands(
    image: Image.Image, full: int, background: tuple[int, int, int]
) -> Iterator[tuple[int, Image.Image]]:
    """Yield bands of rows, padded to the width ``full``, with the index of the first row."""
    width, height = image.size
    if width == full:
        yield 0, image
        return
    for start in range(0, height, _BAND):
        rows = image.crop((0, start, width, min(start + _BAND, height)))
        band = Image.new("RGB", (full, rows.height), background)
        band.paste(rows, ((full - width) // 2, 0))
        yield start, band


def _fitted(image: Image.Image, recipe: Recipe) -> Levels:
    """Fit a full picture as described by the record."""
    record = recipe.record
    if record.stages:
        return np.asarray(staged(image, record.stages))
    if record.fit == "pad":
        return np.asarray(square(image, recipe.side, record.background, KERNELS[record.kernel]))
    return _scaled(_Reduced(image, image.size, 1), recipe)


def _fast(path: Path, recipe: Recipe) -> Levels:
    """Fit a picture that is first reduced."""
    image, full = images.decode_reduced(path, recipe.side)
    _checked(image, path)
    times = round(max(full) / max(image.size))
    more = max(image.size) // recipe.side
    if times == 1 and more > 1:  # not a JPEG: average whole blocks
        image, times = image.reduce(more), more
    return _fitted(image, recipe) if times == 1 else _placed(_Reduced(image, full, times), recipe)


def _placed(reduced: _Reduced, recipe: Recipe) -> Levels:
    """Pad a reduced picture to the square of the full one, and scale that.

    The square's corner may fall between two pixels of the reduced picture: hence the box.
    """
    record = recipe.record
    if record.fit != "pad":
        return _scaled(reduced, recipe)
    width, height = reduced.full
    full = max(width, height)
    left, top = ((full - part) // 2 / reduced.times for part in (width, height))
    corner = ceil(left) - left, ceil(top) - top
    far = corner[0] + full / reduced.times, corner[1] + full / reduced.times
    canvas = reduced.image
    if width != height:
        canvas = Image.new("RGB", (ceil(far[0]), ceil(far[1])), record.background)
        canvas.paste(_faded(reduced, record.background), (ceil(left), ceil(top)))
    size = (recipe.side, recipe.side)
    return np.asarray(canvas.resize(size, KERNELS[record.kernel], box=(*corner, *far)))


def _faded(reduced: _Reduced, background: tuple[int, int, int]) -> Image.Image:
    """Mix the background into the last row or column, as far as it lies beyond the picture."""
    image = reduced.image
    if reduced.full[0] < reduced.full[1]:
        box = (image.width - 1, 0, image.width, image.height)
        share = image.width - reduced.size[0]
    else:
        box = (0, image.height - 1, image.width, image.height)
        share = image.height - reduced.size[1]
    if share > 0:
        edge = image.crop(box)
        image = image.copy()
        image.paste(Image.blend(edge, Image.new("RGB", edge.size, background), share), box)
    return image


def _scaled(reduced: _Reduced, recipe: Recipe) -> Levels:
    """Scale a picture to its target size, and pad it to the model's side."""
    record, side = recipe.record, recipe.side
    size = _target(reduced.full, recipe)
    box = (0.0, 0.0, *reduced.size)
    small = _resized(reduced.image, size, recipe, box)
    if record.fit != "letterbox":
        return small
    left, top, right, bottom = placement(reduced.full, recipe)
    inside = slice(top, bottom), slice(left, right)
    canvas = np.empty((side, side, 4 if record.mask else 3), small.dtype)
    canvas[:] = (*record.background, 255)[: canvas.shape[2]]
    canvas[inside] = 0
    canvas[(*inside, slice(3))] = small
    return canvas


def placement(full: Size, recipe: Recipe) -> tuple[int, int, int, int]:
    """Return where a picture of this size lies in the input, pixels: left, top, right, bottom.

    Args:
        full: The upright picture.
        recipe: With the fit letterbox or stretch.
    """
    width, height = _target(full, recipe)
    left, top = (recipe.side - width) // 2, (recipe.side - height) // 2
    return left, top, left + width, top + height


def _resized(
    image: Image.Image, size: Size, recipe: Recipe, box: tuple[float, float, float, float]
) -> Levels:
    kernel = KERNELS[recipe.record.kernel]
    if not recipe.record.exact:
        return np.asarray(image.resize(size, kernel, box=box))
    # Pillow rounds after each direction, except in its one mode of floating-point numbers.
    planes = (plane.convert("F").resize(size, kernel, box=box) for plane in image.split())
    return np.stack([np.asarray(plane) for plane in planes], axis=-1)


def _target(full: Size, recipe: Recipe) -> Size:
    record, side = recipe.record, recipe.side
    if record.fit == "stretch":
        return side, side
    if record.fit == "letterbox":
        width, height = (max(1, _letterboxed(part, max(full), recipe)) for part in full)
        return width, height
    step = record.multiple
    width, height = (max(1, int(part / min(full) * side) // step) * step for part in full)
    return width, height


def _letterboxed(part: int, longest: int, recipe: Recipe) -> int:
    """Return a side of the scaled picture, pixels."""
    factor = recipe.side / longest
    match recipe.record.rounding:
        case "truncate":
            return int(part * factor)
        case "round":
            return round(part * factor)
        case _:
            return int(part * recipe.side / longest)


def _checked(image: Image.Image, path: Path) -> Image.Image:
    if max(image.size) > _MAX_SIDE:
        raise UnreadableError(f"{path.name}: longer than {_MAX_SIDE:,} pixels")
    return image
