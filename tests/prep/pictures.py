"""Pictures for tests that look at them."""

import numpy as np
from PIL import Image, ImageDraw


def scene(seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """A random picture with soft areas and hard edges."""
    random = np.random.default_rng(seed)
    grid = random.integers(0, 256, (6, 8, 3), np.uint8)
    image = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, r = random.integers((20, 20, 15), (220, 200, 50)).tolist()
        pen.ellipse((x - r, y - r, x + r, y + r), fill=tuple(random.integers(0, 256, 3).tolist()))
    return image


def busy(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture with many corners, as photographs have them."""
    random = np.random.default_rng(seed)
    image = scene(seed, size)
    pen = ImageDraw.Draw(image)
    for _ in range(120):
        x, y, w, h = random.integers((0, 0, 8, 8), (*size, 60, 60)).tolist()
        colour = tuple(random.integers(0, 256, 3).tolist())
        pen.polygon([(x, y), (x + w, y + h // 3), (x + w // 2, y + h)], fill=colour)
    return image
