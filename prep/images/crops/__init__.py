"""Crop rectangles: fractions of the upright image, any number of them for one image.

A crop never touches the file. Each one becomes a training image, with the caption of the
image; no crop means the whole image. Crops are in ``work.db`` and changed through the journal.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

from prep.errors import ConfigError
from prep.images.buckets import Fit, Size

Crops = Mapping[str, Sequence["Box"]]
"""The crops of images, by path."""

_SHAPE = "Write x,y,width,height: 0.1,0,0.8,1 (fractions of the image) or 64,0,512,768 (pixels)."


@dataclass(frozen=True, slots=True)
class Rect:
    """Whole pixels of an upright image: ``left <= x < right``, ``top <= y < bottom``."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.right - self.left, self.bottom - self.top

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom: the order of Pillow."""
        return self.left, self.top, self.right, self.bottom

    def box(self, size: Size) -> "Box":
        """Return the rectangle as fractions of an image of ``size``."""
        width, height = size
        across, down = self.size
        return Box(self.left / width, self.top / height, across / width, down / height)


@dataclass(frozen=True)
class Box:
    """A part of an image: its top left corner and its size, as fractions, 0 to 1."""

    x: float
    y: float
    width: float
    height: float

    def pixels(self, size: Size) -> Rect:
        """Return its pixels in an image of ``size``; at least one, and never outside.

        Example:
            >>> Box(0.25, 0.0, 0.5, 1.0).pixels((400, 300))
            Rect(left=100, top=0, right=300, bottom=300)
        """
        left, right = _whole(self.x, self.x + self.width, size[0])
        top, bottom = _whole(self.y, self.y + self.height, size[1])
        return Rect(left, top, right, bottom)


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


def rects(boxes: Sequence[Box], size: Size) -> list[Rect]:
    """Return the parts of an image of ``size`` that are trained on: its crops, or all of it."""
    return [box.pixels(size) for box in boxes or (WHOLE,)]


def kept(rect: Rect, fit: Fit) -> Rect:
    """Return what is left of a part of an image after it was fitted into its bucket."""
    across, down = rect.size[0] / fit.resized[0], rect.size[1] / fit.resized[1]
    left, top = rect.left + fit.left * across, rect.top + fit.top * down
    right, bottom = left + fit.bucket[0] * across, top + fit.bucket[1] * down
    return Rect(round(left), round(top), round(right), round(bottom))


def parse(text: str, size: Size) -> Box:
    """Read ``x,y,width,height`` in pixels, or in fractions when no number exceeds 1.

    Args:
        text: What a user typed.
        size: The upright image, in pixels.

    Raises:
        ConfigError: As in ``numbers``, or the part is empty or outside the image.

    Example:
        >>> parse("64,0,192,128", (256, 256))
        Box(x=0.25, y=0.0, width=0.75, height=0.5)
    """
    x, y, width, height = numbers(text)
    if max(x, y, width, height) > 1:
        x, width = x / size[0], width / size[0]
        y, height = y / size[1], height / size[1]
    box = Box(x, y, width, height)
    if not _inside(box):
        raise ConfigError(f"{text!r} is not inside an image of {size[0]}x{size[1]} pixels.", _SHAPE)
    return box


def numbers(text: str) -> tuple[float, float, float, float]:
    """Read the four numbers of a crop.

    Raises:
        ConfigError: There are not four, or some are fractions and others pixels.
    """
    parts = [part for part in re.split(r"[,\s]+", text.strip()) if part]
    try:
        x, y, width, height = (float(part) for part in parts)
    except ValueError as error:
        raise ConfigError(f"{text!r} is not a valid crop.", _SHAPE) from error
    found = (x, y, width, height)
    if max(found) > 1 and any(number % 1 for number in found):
        raise ConfigError(f"{text!r} mixes fractions and pixels.", _SHAPE)
    return found


def to_text(boxes: Sequence[Box]) -> str | None:
    """Return the boxes as stored in the journal (JSON); ``None`` for no boxes."""
    return json.dumps([astuple(box) for box in boxes]) if boxes else None


def from_text(text: str | None) -> tuple[Box, ...]:
    """Read what ``to_text`` wrote."""
    return tuple(Box(*values) for values in json.loads(text)) if text else ()


def _whole(near: float, far: float, length: int) -> tuple[int, int]:
    start = min(max(round(near * length), 0), length - 1)
    return start, min(max(round(far * length), start + 1), length)


def _inside(box: Box) -> bool:
    """Return whether it lies inside an image, with a millionth of tolerance for rounding."""
    slack = 1e-6
    return (
        min(box.x, box.y) >= 0
        and min(box.width, box.height) > 0
        and max(box.x + box.width, box.y + box.height) <= 1 + slack
    )
