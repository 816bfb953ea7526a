"""Changes of content that look most like marks: for variants that must not be taken for copies."""

import random
from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image, ImageDraw

Change = Callable[[Image.Image, random.Random], Image.Image]
_INK = (30, 20, 30)


def _somewhere(
    image: Image.Image, rng: random.Random, least: float = 0.04, most: float = 0.12
) -> tuple[float, float, float]:
    """Return a place, and a size as a share of the side of the picture, pixels."""
    side = (image.width * image.height) ** 0.5
    x, y = rng.uniform(0.25, 0.75) * image.width, rng.uniform(0.1, 0.7) * image.height
    return x, y, rng.uniform(least, most) * side


def _over(image: Image.Image, layer: Image.Image) -> Image.Image:
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _blush(image: Image.Image, rng: random.Random) -> Image.Image:
    x, y, size = _somewhere(image, rng)
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen, ink = ImageDraw.Draw(layer), (230, 90, 100, rng.randint(80, 150))
    lines = rng.random() < 0.5
    for side in (-1, 1):
        cheek = x + side * size
        pen.ellipse(
            (cheek - 0.45 * size, y - 0.25 * size, cheek + 0.45 * size, y + 0.25 * size), ink
        )
        for line in (-0.2, 0, 0.2) if lines else ():
            begin = cheek + (line - 0.08) * size, y + 0.15 * size
            end = cheek + (line + 0.08) * size, y - 0.15 * size
            pen.line((*begin, *end), (200, 50, 60, 255), max(1, int(0.05 * size)))
    return _over(image, layer)


def _glasses(image: Image.Image, rng: random.Random) -> Image.Image:
    x, y, size = _somewhere(image, rng)
    result = image.copy()
    pen, width = ImageDraw.Draw(result), max(2, int(0.1 * size))
    ink = rng.choice(((20, 20, 20), (120, 30, 30), (230, 230, 230)))
    temples = rng.random() < 0.6
    for side in (-1, 1):
        eye = x + 0.9 * side * size
        box = (eye - 0.6 * size, y - 0.5 * size, eye + 0.6 * size, y + 0.5 * size)
        pen.ellipse(box, None, ink, width)
        if temples:
            end = x + 2.1 * side * size, y - 0.2 * size
            pen.line((x + 1.5 * side * size, y, *end), ink, width)
    pen.line((x - 0.3 * size, y, x + 0.3 * size, y), ink, width)
    return result


def _tear(image: Image.Image, rng: random.Random) -> Image.Image:
    x, y, size = _somewhere(image, rng, 0.02, 0.05)
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    pen, water = ImageDraw.Draw(layer), (150, 200, 255, 200)
    pen.polygon([(x, y - 1.6 * size), (x - 0.6 * size, y), (x + 0.6 * size, y)], water)
    box = (x - 0.65 * size, y - 0.6 * size, x + 0.65 * size, y + 0.7 * size)
    pen.ellipse(box, water, (60, 80, 140, 255))
    return _over(image, layer)


def _erased(image: Image.Image, rng: random.Random) -> Image.Image:
    x, y, size = _somewhere(image, rng)
    hole = np.zeros((image.height, image.width), np.uint8)
    cv2.ellipse(hole, (int(x), int(y)), (int(size), int(0.6 * size)), 0, 0, 360, (255,), -1)
    return Image.fromarray(np.uint8(cv2.inpaint(np.array(image), hole, 3, cv2.INPAINT_TELEA)))


def _pushed(image: Image.Image, rng: random.Random) -> Image.Image:
    """Move what is at one place by a part of its size."""
    x, y, size = _somewhere(image, rng)
    rows, columns = np.mgrid[0 : image.height, 0 : image.width].astype(np.float32)
    near = np.exp(-(((columns - x) / size) ** 2 + ((rows - y) / size) ** 2))
    angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.45) * size
    across, down = (near * far * part for part in (np.cos(angle), np.sin(angle)))
    maps = ((columns + across).astype(np.float32), (rows + down).astype(np.float32))
    moved = cv2.remap(np.array(image), *maps, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return Image.fromarray(np.uint8(moved))


def _pasted(image: Image.Image, rng: random.Random) -> Image.Image:
    """Put another part of the picture at a place."""
    x, y, size = _somewhere(image, rng, 0.05, 0.12)
    left, top, _ = _somewhere(image, rng)
    shape = Image.new("L", (int(2 * size), int(1.4 * size)))
    ImageDraw.Draw(shape).ellipse((0, 0, shape.width - 1, shape.height - 1), 255)
    part = image.crop((int(left), int(top), int(left) + shape.width, int(top) + shape.height))
    result = image.copy()
    result.paste(part, (int(x), int(y)), shape)
    return result


def _recoloured(image: Image.Image, rng: random.Random) -> Image.Image:
    """Give two round places, such as eyes, another hue."""
    x, y, size = _somewhere(image, rng, 0.03, 0.08)
    where = Image.new("L", image.size)
    for side in (-1, 1):
        eye = x + side * size
        box = (eye - 0.4 * size, y - 0.4 * size, eye + 0.4 * size, y + 0.4 * size)
        ImageDraw.Draw(where).ellipse(box, 255)
    hue, saturation, value = image.convert("HSV").split()
    turn = rng.randint(60, 190)
    hue = hue.point([(level + turn) % 256 for level in range(256)])
    saturation = saturation.point([max(level, 110) for level in range(256)])
    other = Image.merge("HSV", (hue, saturation, value)).convert("RGB")
    return Image.composite(other, image, where)


def _ribbon(image: Image.Image, rng: random.Random) -> Image.Image:
    x, y, size = _somewhere(image, rng)
    result = image.copy()
    pen = ImageDraw.Draw(result)
    red, green, blue = (rng.randint(0, 255) for _ in range(3))
    rim = (red // 2, green // 2, blue // 2)
    for side in (-1, 1):
        wing = x + side * size
        corners = [(x, y), (wing, y - 0.6 * size), (wing, y + 0.6 * size)]
        pen.polygon(corners, (red, green, blue), rim)
    box = (x - 0.25 * size, y - 0.25 * size, x + 0.25 * size, y + 0.25 * size)
    pen.ellipse(box, (red, green, blue), rim)
    return result


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "blush": _blush,
        "glasses": _glasses,
        "tear": _tear,
        "erased": _erased,
        "pushed": _pushed,
        "pasted": _pasted,
        "recoloured": _recoloured,
        "ribbon": _ribbon,
    }
)
"""What changes -> the picture with that change somewhere."""


def faces(image: Image.Image, rng: random.Random) -> tuple[Image.Image, Image.Image]:
    """Return a picture with a drawn face in it, twice, each time with another expression."""
    look = rng.random()
    first, second = rng.sample([(eyes, mouth) for eyes in _EYES for mouth in _MOUTHS], 2)
    return _faced(image, look, *first), _faced(image, look, *second)


_EYES, _MOUTHS = ("open", "closed", "wide", "winking"), ("line", "smile", "round", "", "frown")


def _faced(image: Image.Image, look: float, eyes: str, mouth: str) -> Image.Image:
    rng = random.Random(look)
    result = image.copy()
    pen = ImageDraw.Draw(result)
    side = (image.width * image.height) ** 0.5
    x, y = rng.uniform(0.35, 0.65) * image.width, rng.uniform(0.2, 0.5) * image.height
    size = rng.uniform(0.05, 0.13) * side
    width = max(1, int(0.12 * size))
    skin = (rng.randint(170, 240), rng.randint(170, 240), rng.randint(170, 240))
    iris = (rng.randint(20, 200), rng.randint(20, 200), rng.randint(20, 200))
    pen.ellipse((x - 2 * size, y - 2 * size, x + 2 * size, y + 2.4 * size), skin, _INK, 2)
    for place in (-1, 1):
        eye = x + 0.9 * place * size
        if eyes == "closed" or (eyes == "winking" and place == 1):
            pen.line((eye - 0.4 * size, y, eye + 0.4 * size, y), _INK, width)
            continue
        high = (0.65 if eyes == "wide" else 0.5) * size
        white = (eye - 0.4 * size, y - high, eye + 0.4 * size, y + high)
        pen.ellipse(white, (255, 255, 255), _INK, width)
        pen.ellipse((eye - 0.2 * size, y - 0.3 * size, eye + 0.2 * size, y + 0.3 * size), iris)
    _mouth(pen, x, y + 1.3 * size, size, mouth, width)
    return result


def _mouth(
    pen: ImageDraw.ImageDraw, x: float, y: float, size: float, mouth: str, width: int
) -> None:
    if mouth == "line":
        pen.line((x - 0.4 * size, y, x + 0.4 * size, y), _INK, width)
    elif mouth == "smile":
        box = (x - 0.6 * size, y - 0.5 * size, x + 0.6 * size, y + 0.3 * size)
        pen.arc(box, 20, 160, _INK, width)
    elif mouth == "frown":
        box = (x - 0.6 * size, y - 0.1 * size, x + 0.6 * size, y + 0.6 * size)
        pen.arc(box, 200, 340, _INK, width)
    elif mouth == "round":
        box = (x - 0.3 * size, y - 0.3 * size, x + 0.3 * size, y + 0.35 * size)
        pen.ellipse(box, (160, 40, 50), _INK, width)
