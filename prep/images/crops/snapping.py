"""Crops that fit a bucket exactly, so that nothing is cut off after scaling.

A trainer scales an image until it covers its bucket and cuts the rest off. A crop is *legal* when
nothing is left to cut: scaled, it has exactly the size of its bucket. ``Buckets.fit`` decides;
nothing here repeats its arithmetic.
"""

import math
from collections.abc import Iterator

from prep.errors import ConfigError
from prep.images.buckets import Buckets, Size
from prep.images.crops import Rect

_FINE = 1e-9


def is_legal(buckets: Buckets, size: Size) -> bool:
    """Return whether nothing of an image of this size is cut off."""
    fit = buckets.fit(size)
    return fit.resized == fit.bucket


def nearest_shape(buckets: Buckets, aspect: float) -> Size:
    """Return the bucket whose aspect ratio (width / height) is nearest.

    Example:
        >>> nearest_shape(Buckets((512, 512)), 2 / 3)
        (384, 640)
    """
    return min(buckets.sizes, key=lambda size: abs(math.log(size[0] / size[1] / aspect)))


def parse_shape(text: str, buckets: Buckets) -> Size:
    """Read an aspect ratio, ``2:3``, or a bucket, ``832x1216``; return a bucket.

    Raises:
        ConfigError: It is neither, or not a bucket of the project.
    """
    cross = "x" in text.lower()
    parts = text.lower().split("x" if cross else ":")
    try:
        width, height = (float(part) for part in parts)
        aspect = width / height
        if not 0 < aspect < math.inf:
            raise ValueError(text)
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f"{text!r} is not a valid shape.", "Write an aspect ratio (2:3) or a bucket (832x1216)."
        ) from error
    near = nearest_shape(buckets, aspect)
    if cross and (width, height) not in buckets.sizes:
        raise ConfigError(
            f"{text} is not a bucket of this project; the nearest one is {near[0]}x{near[1]}.",
            "List the buckets in use with: shikomi buckets",
        )
    return (int(width), int(height)) if cross else near


def snapped(
    buckets: Buckets, rect: Rect, size: Size, shape: Size | None = None, *, inside: bool = False
) -> Rect:
    """Return the legal crop nearest to ``rect``.

    It covers ``rect`` if the image is large enough, else it is the largest that fits. Very small
    images, which are enlarged many times, may have no legal crop; they get the best there is.

    Args:
        buckets: Buckets into which the crop must fit.
        rect: The wanted part.
        size: The upright image.
        shape: A bucket whose aspect ratio the crop must have; by default the one of ``rect``.
        inside: The crop must stay inside ``rect`` (outside it is a border).
    """
    room = rect if inside else Rect(0, 0, *size)
    if is_legal(buckets, rect.size) and (shape is None or buckets.fit(rect.size).bucket == shape):
        return rect
    proportions = shape or buckets.fit(rect.size).bucket
    chosen = None
    if not inside:
        chosen = _covering(buckets, proportions, rect.size, room.size)
    if chosen is None:
        chosen = largest(buckets, proportions, _least(rect.size, proportions, room.size))
    return placed(chosen, centre(rect), room)


def largest(buckets: Buckets, shape: Size, room: Size) -> Size:
    """Return the largest legal size of these proportions that fits into ``room``."""
    shape = _kept_shape(buckets, shape, room)
    ratio = shape[0] / shape[1]
    widest = min(room[0], math.floor(room[1] * ratio + _FINE))
    tried: list[Size] = []
    for size in _sizes(shape, range(max(widest, 1), 0, -1), room):
        if is_legal(buckets, size):
            return size
        tried.append(size)
    if buckets.no_upscale and widest >= buckets.step:
        # Small images keep their size there: whole steps are legal, even at another aspect ratio.
        whole = (_floor(widest, buckets.step), _floor(round(widest / ratio), buckets.step))
        if whole[1] and is_legal(buckets, whole):
            return whole
    # None is legal: enlarged so much that one pixel more or less matters after scaling.
    return min(tried or [room], key=lambda size: (round(buckets.fit(size).cut, 2), -size[0]))


def centre(rect: Rect) -> tuple[float, float]:
    """Return the centre of a rectangle."""
    return (rect.left + rect.right) / 2, (rect.top + rect.bottom) / 2


def placed(size: Size, middle: tuple[float, float], room: Rect) -> Rect:
    """Return a rectangle of ``size`` around ``middle``, moved as far as needed into ``room``."""
    left = min(max(round(middle[0] - size[0] / 2), room.left), room.right - size[0])
    top = min(max(round(middle[1] - size[1] / 2), room.top), room.bottom - size[1])
    return Rect(left, top, left + size[0], top + size[1])


def _covering(buckets: Buckets, shape: Size, wanted: Size, room: Size) -> Size | None:
    """Return the smallest legal size that holds ``wanted``, if there is one within ``room``."""
    if buckets.no_upscale:
        # Small images keep their size there: any whole number of steps is legal.
        width, height = (_floor(side + buckets.step - 1, buckets.step) for side in wanted)
        if width <= room[0] and height <= room[1] and is_legal(buckets, (width, height)):
            return width, height
    shape = _kept_shape(buckets, shape, wanted)
    narrowest = max(wanted[0], math.ceil(wanted[1] * shape[0] / shape[1] - _FINE))
    for size in _sizes(shape, range(narrowest, room[0] + 1), room):
        if size[0] >= wanted[0] and size[1] >= wanted[1] and is_legal(buckets, size):
            return size
    return None


def _kept_shape(buckets: Buckets, shape: Size, about: Size) -> Size:
    """Return the bucket in which images with the proportions of ``shape`` end, if they are shrunk.

    Without enlarging that may be another bucket, since one side is rounded to whole steps before
    the other: around 768x768 all images of 4:7 go to 576x960, which then keeps 3:5 as it is.

    Args:
        buckets: Buckets.
        shape: A bucket.
        about: The size of the image, of any proportions.
    """
    unit = shape[0] // math.gcd(*shape), shape[1] // math.gcd(*shape)
    scale = max(1, round(min(about[0] / unit[0], about[1] / unit[1])))
    fit = buckets.fit((unit[0] * scale, unit[1] * scale))
    return fit.bucket if buckets.no_upscale and fit.scale < 1 else shape


def _least(wanted: Size, shape: Size, room: Size) -> Size:
    """Return the smallest size of these proportions that holds ``wanted``, cut to ``room``."""
    ratio = shape[0] / shape[1]
    width = max(wanted[0], math.ceil(wanted[1] * ratio - _FINE))
    height = max(wanted[1], math.ceil(wanted[0] / ratio - _FINE))
    return min(width, room[0]), min(height, room[1])


def _sizes(shape: Size, widths: range, room: Size) -> Iterator[Size]:
    """Yield sizes of about these proportions, in the order of ``widths``, all within ``room``.

    If scaling enlarges, only whole multiples of the reduced ratio are exact: twice the distance to
    the next one is far enough to look.
    """
    for width in widths[: 2 * shape[0] // math.gcd(*shape) + 1]:
        ideal = width * shape[1] / shape[0]
        for height in sorted({math.floor(ideal), math.ceil(ideal)}):
            if 1 <= height <= room[1] and width <= room[0]:
                yield width, height


def _floor(length: int, step: int) -> int:
    return length - length % step
