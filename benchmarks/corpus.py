"""A folder of pictures to measure with: the same bytes on every machine with the same encoders.

Gradients, shapes and noise, since flat drawings would flatter every decoder.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SIZES = ((512, 512), (768, 1152), (1024, 1024), (1600, 900), (1216, 832), (2000, 1333))
FORMATS = ("jpg", "jpg", "png", "webp")


def draw(number: int) -> Image.Image:
    """Draw picture ``number``: a gradient with shapes and some noise."""
    rng = np.random.default_rng(number)
    width, height = SIZES[number % len(SIZES)]
    across = np.linspace(0, 1, width)[None, :, None] * rng.integers(40, 200, 3)
    down = np.linspace(0, 1, height)[:, None, None] * rng.integers(20, 80, 3)
    image = Image.fromarray(np.uint8(across + down))
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y, radius = rng.integers((0, 0, 10), (width, height, 200))
        red, green, blue = (int(value) for value in rng.integers(0, 256, 3))
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(red, green, blue))
    noise = rng.integers(-6, 7, (height, width, 1))
    return Image.fromarray(np.uint8(np.clip(np.asarray(image, np.int16) + noise, 0, 255)))


def make(folder: Path, count: int) -> list[Path]:
    """Save ``count`` pictures of mixed sizes and formats; return their paths."""
    folder.mkdir(parents=True)
    paths = []
    for number in range(count):
        paths.append(folder / f"{number:05}.{FORMATS[number % len(FORMATS)]}")
        draw(number).save(paths[-1], quality=85 + number % 2 * 5)
    return paths
