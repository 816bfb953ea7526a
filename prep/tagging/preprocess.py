"""From an image file to the pixels that a WD tagger expects.

The tagger's own recipe: transparency on white, a white square around the centred picture, bicubic
to the model's side, blue-green-red, 0-255 without scaling. Photos are turned as EXIF says first.
"""

from collections.abc import Generator, Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import images, parallel
from prep.errors import UnreadableError

Pixels = NDArray[np.uint8]

_WHITE = (255, 255, 255)
_BAND = 256
"""Rows that are padded and shrunk at once."""
_MAX_SIDE = 65_535
"""A longer picture than any JPEG would fill the memory with its white square."""


def square(image: Image.Image, side: int) -> Image.Image:
    """Pad an RGB image to a white square and scale it to ``side`` pixels each way, bicubic.

    The result is, bit for bit, that of padding first and resizing then. Resizing works on rows,
    then on columns, so the rows are padded and shrunk in bands: the full square, 12 times the
    size of the picture for a banner of 12:1, never exists.
    """
    full = max(image.size)
    top = (full - image.height) // 2
    strip = Image.new("RGB", (side, full), _WHITE)
    for start, band in _bands(image, full):
        shrunk = band.resize((side, band.height), Image.Resampling.BICUBIC)
        strip.paste(shrunk, (0, top + start))
    return strip.resize((side, side), Image.Resampling.BICUBIC)


def _bands(image: Image.Image, full: int) -> Iterator[tuple[int, Image.Image]]:
    """Yield the rows of a picture, padded to the width ``full``, with the number of the first."""
    width, height = image.size
    if width == full:
        yield 0, image
        return
    for start in range(0, height, _BAND):
        rows = image.crop((0, start, width, min(start + _BAND, height)))
        band = Image.new("RGB", (full, rows.height), _WHITE)
        band.paste(rows, ((full - width) // 2, 0))
        yield start, band


def pixels(path: Path, side: int) -> Pixels:
    """Return what the tagger sees of a file: BGR of shape (side, side, 3).

    Raises:
        UnreadableError: As ``images.decode``, or the picture is absurdly long.
    """
    image = images.decode(path)
    if max(image.size) > _MAX_SIDE:
        raise UnreadableError(f"{path.name}: longer than {_MAX_SIDE:,} pixels")
    return np.asarray(square(image, side))[:, :, ::-1]


def ahead(
    paths: Iterable[Path], side: int, threads: int = 0
) -> Generator[tuple[Path, Pixels | UnreadableError], None, None]:
    """Yield the pixels of each file in order, decoded in threads ahead of the consumer.

    Args:
        paths: Image files.
        side: Pixels each way.
        threads: 0 for one per core; twice as many pictures wait at most.
    """

    def attempt(path: Path) -> Pixels | UnreadableError:
        try:
            return pixels(path, side)
        except UnreadableError as error:
            return error

    return parallel.ordered(attempt, paths, threads)
