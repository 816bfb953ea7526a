"""Pictures of every mode, shape and format that a tagger may meet, made on the spot."""

import io
from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import draw_numbered

_SIZES = (
    (1, 1), (3, 100), (100, 3), (23, 24), (48, 48), (49, 32), (32, 49), (201, 49), (133, 201),
    (190, 121), (150, 150),
)  # fmt: skip
_MODES = ("RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK", "palette with a hole")
_ORIENTATION = 0x0112


def odd_pictures(folder: Path) -> Iterator[Path]:
    """Write some 250 pictures: all modes x sizes, EXIF turns, formats, animations."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 0
    for number, (mode, size) in enumerate(product(_MODES, _SIZES)):
        yield _save(folder / f"{number:03}", _picture(number, size), mode)
    for turn, size in product(range(1, 9), _SIZES):
        number += 1
        exif = Image.Exif()
        exif[_ORIENTATION] = turn
        path = folder / f"{number:03}.jpg"
        _picture(number, size).save(path, exif=exif, quality=90)
        yield path
    for (suffix, extra), size in product(_FORMATS.items(), _SIZES[3:8]):
        number += 1
        path = folder / f"{number:03}{suffix}"
        _picture(number, size).save(path, **extra)
        yield path
    for size in ((500, 333), (333, 501), (601, 600), (967, 645), (401, 30)):
        for suffix, turn in ((".jpg", 1), (".jpg", 6), (".png", 1), (".webp", 1)):
            number += 1
            exif = Image.Exif()
            exif[_ORIENTATION] = turn
            path = folder / f"{number:03}{suffix}"
            _picture(number, size).save(path, exif=exif)
            yield path


def thin_pictures(folder: Path) -> Iterator[Path]:
    """Write pictures that are hardly there in one direction, of several modes."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = ((300, 1), (1, 300), (900, 3), (3, 900), (2000, 1), (1, 2000), (2, 1), (640, 2))
    modes = ("RGB", "RGBA", "L", "P", "CMYK", "I;16")
    for number, (size, mode) in enumerate(zip(shapes, cycle(modes), strict=False)):
        yield _save(folder / f"thin{number}", _picture(number, size), mode)


_FORMATS: dict[str, dict[str, object]] = {
    ".webp": {"lossless": True},
    ".bmp": {},
    ".tif": {"compression": "tiff_lzw"},
    ".gif": {"save_all": True, "append_images": [Image.new("RGB", (9, 9), "red")]},
}


def _picture(number: int, size: tuple[int, int]) -> Image.Image:
    """Draw shapes, a slope and fine noise."""
    image = draw_numbered(number, size)
    noise = np.random.default_rng(number).integers(-9, 10, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def _save(stem: Path, image: Image.Image, mode: str) -> Path:
    slope = Image.linear_gradient("L").rotate(90).resize(image.size)
    if mode == "CMYK":
        path = stem.with_suffix(".jpg")
        image.convert("CMYK").save(path, quality=92)
        return path
    path = stem.with_suffix(".png")
    if mode == "I;16":
        grey = np.asarray(image.convert("L"), np.uint16) * 257
        Image.fromarray(grey).save(path)
    elif mode == "palette with a hole":
        small = image.quantize(16)
        small.save(path, transparency=small.getpixel((0, 0)))
    else:
        if mode in ("RGBA", "LA"):
            image = image.copy()
            image.putalpha(slope)
        image.convert(mode).save(path)
    return path


def read_bytes(path: Path) -> Image.Image:
    """Open a picture without anything of ours."""
    return Image.open(io.BytesIO(path.read_bytes()))


_TURNS = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


def upright_on_white(path: Path) -> NDArray[np.float64]:
    """Return red, green, blue, 0 to 255, of shape (height, width, 3), without anything of ours."""
    with read_bytes(path) as image:
        turn = image.getexif().get(0x0112, 1)
        if image.mode == "I;16":
            grey = np.asarray(image, np.float64) / 257
            layers = np.stack([grey] * 3 + [np.full_like(grey, 255)], axis=-1)
        elif image.mode == "CMYK":
            layers = np.asarray(image.convert("RGB").convert("RGBA"), np.float64)
        else:
            layers = np.asarray(image.convert("RGBA"), np.float64)
    alpha = layers[..., 3:] / 255
    flat = np.round(layers[..., :3] * alpha + 255 * (1 - alpha))
    return np.asarray(_TURNS.get(turn, lambda a: a)(flat), np.float64)
