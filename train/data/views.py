"""The pixels of an image as training shows them: scaled, cut, perhaps mirrored; and its mask."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import images
from prep.dataset import masks
from prep.errors import UnreadableError
from prep.images import pixels
from prep.system.files import content_hash
from train.data.dataset import TrainImage


@dataclass(frozen=True)
class View:
    """One cut of an image, mirrored or not."""

    image: TrainImage
    flipped: bool = False

    @classmethod
    def all_of(cls, image: TrainImage) -> "list[View]":
        """Return every view that the exposures of an image show."""
        sides = (False, True) if image.flip else (False,)
        return [cls(window, flipped) for window in image.windows for flipped in sides]

    @property
    def place(self) -> tuple[Any, ...]:
        """Everything about scale, cut and side that decides the pixels."""
        fit = self.image.fit
        return fit.resized, fit.bucket, fit.left, fit.top, self.flipped

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.image.path.name


Read = tuple[NDArray[np.float32], NDArray[np.float32] | None]
"""Pixels of shape (3, height, width), -1 to 1, and how much each counts, 0 to 1, of shape
(height, width)."""


def read_view(view: View) -> Read:
    """Decode an image and its mask.

    Raises:
        UnreadableError: A file is gone, broken, no longer what it was when the run read it, or the
            mask has another shape than its image.
    """
    return read_sides([view])[0]


def read_sides(views: Sequence[View]) -> list[Read]:
    """Decode an image and its mask once for views that differ by being mirrored; at least one.

    Raises:
        UnreadableError: As ``read_view``.
    """
    image = views[0].image
    _check(image.path.name, image.content, _hashed(image.path))
    picture = (images.decode_opaque if image.opaque else images.decode)(image.path)
    shown, mask = pixels.fitted(picture, image.fit, image.kernel), _mask(image)
    return [_side(shown, mask, flipped=view.flipped) for view in views]


def _side(shown: pixels.Pixels, mask: NDArray[np.float32] | None, *, flipped: bool) -> Read:
    if flipped:
        shown, mask = shown[:, ::-1], None if mask is None else mask[:, ::-1]
    planes = np.ascontiguousarray(shown.transpose(2, 0, 1), dtype=np.float32)
    planes /= 127.5
    planes -= 1.0
    return planes, None if mask is None else np.ascontiguousarray(mask)


def _mask(image: TrainImage) -> NDArray[np.float32] | None:
    mask = image.mask
    if mask is None:
        return None
    _check(mask.file.name, mask.content, _hashed(mask.file))
    if mask.alpha:
        grey: Image.Image = images.decode_alpha(mask.file)
    else:
        grey = masks.read_file(mask.file, image.size, images.probe(image.path).orientation)
    return pixels.fitted(grey, image.fit).astype(np.float32) / 255.0


def _hashed(file: Any) -> str:
    try:
        return content_hash(file)
    except OSError as error:
        raise UnreadableError(f"{file.name}: the file no longer exists") from error


def _check(name: str, expected: str, found: str) -> None:
    """Refuse other pixels than those that the cache is to hold."""
    if found != expected:
        raise UnreadableError(f"{name}: the file has changed since the run read it")
