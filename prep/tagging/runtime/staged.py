"""Stages of preprocessing applied to a picture; what they mean is in ``models.stages``."""

from collections.abc import Iterable

from PIL import Image

from prep.images.buckets import Size
from prep.tagging.models.stages import CenterCrop, PadToSize, Resize

KERNELS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
    "lanczos": Image.Resampling.LANCZOS,
}
_REDUCING = ("bilinear", "bicubic")
"""Kernels that can shrink without antialiasing."""


def staged(image: Image.Image, stages: Iterable[PadToSize | Resize | CenterCrop]) -> Image.Image:
    """Apply stages to an RGB picture, in order."""
    for stage in stages:
        match stage:
            case PadToSize():
                image = _padded(image, stage)
            case Resize():
                image = _resized(image, stage)
            case CenterCrop():
                image = _cropped(image, stage)
    return image


def _padded(image: Image.Image, stage: PadToSize) -> Image.Image:
    width, height = stage.size
    ratio = min(width / image.width, height / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    canvas = Image.new("RGB", stage.size, stage.background_color)
    place = ((width - size[0]) // 2, (height - size[1]) // 2)
    canvas.paste(image.resize(size, KERNELS[stage.interpolation]), place)
    return canvas


def _resized(image: Image.Image, stage: Resize) -> Image.Image:
    size = _size(image.size, stage)
    if size == image.size:
        return image
    gap = None if stage.antialias or stage.interpolation not in _REDUCING else 1.0
    return image.resize(size, KERNELS[stage.interpolation], reducing_gap=gap)


def _size(full: Size, stage: Resize) -> Size:
    """Return the size that a picture is scaled to."""
    if not isinstance(stage.size, int):
        height, width = stage.size
        return width, height
    short, side = min(full), stage.size
    width, height = (side if part == short else int(side * part / short) for part in full)
    longest = max(width, height)
    if stage.max_size is not None and longest > stage.max_size:
        width, height = (
            stage.max_size if part == longest else int(stage.max_size * part / longest)
            for part in (width, height)
        )
    return max(1, width), max(1, height)


def _cropped(image: Image.Image, stage: CenterCrop) -> Image.Image:
    height, width = stage.size
    full = max(width, image.width), max(height, image.height)
    if full != image.size:
        canvas = Image.new("RGB", full)
        canvas.paste(image, ((full[0] - image.width) // 2, (full[1] - image.height) // 2))
        image = canvas
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))
