"""What people do to copies of pictures: scale, compress, crop, brighten and mirror them."""

import io
import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

from PIL import Image, ImageEnhance, ImageOps

Edit = Callable[[Image.Image, random.Random], Image.Image]


def _cropped(image: Image.Image, share: float) -> Image.Image:
    w, h = image.size
    x, y = round(share / 2 * w), round(share / 2 * h)
    return image.crop((x, y, w - x, h - y))


def _one_side(image: Image.Image, rng: random.Random) -> Image.Image:
    w, h = image.size
    x, y = round(0.03 * w), round(0.03 * h)
    boxes = ((x, 0, w, h), (0, y, w, h), (0, 0, w - x, h), (0, 0, w, h - y))
    return image.crop(rng.choice(boxes))


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)))


def _brightness(image: Image.Image, rng: random.Random) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(rng.choice((0.8, 0.85, 0.9, 1.1, 1.15, 1.2)))


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


EDITS: Mapping[str, Edit] = MappingProxyType(
    {
        "smaller": lambda i, r: _scaled(i, r.uniform(0.5, 0.9)),
        "JPEG, quality 60": lambda i, _: _jpeg(i, 60),
        "brightness": _brightness,
        "crop 3 %": lambda i, _: _cropped(i, 0.03),
        "crop 3 %, one side": _one_side,
        "smaller, JPEG 75": lambda i, r: _jpeg(_scaled(i, r.uniform(0.6, 0.9)), 75),
    }
)
MIRRORED: Mapping[str, Edit] = MappingProxyType(
    {
        "mirrored": lambda i, _: ImageOps.mirror(i),
        "mirrored, crop 3 %": lambda i, _: ImageOps.mirror(_cropped(i, 0.03)),
        "mirrored, crop one side": lambda i, r: ImageOps.mirror(_one_side(i, r)),
        "mirrored, brightness": lambda i, r: ImageOps.mirror(_brightness(i, r)),
        "mirrored, smaller, JPEG 75": lambda i, _: ImageOps.mirror(_jpeg(_scaled(i, 0.7), 75)),
    }
)
