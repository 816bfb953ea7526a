"""Figures with expressions, marks, and their comparison, for the tests of duplicates."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from prep.curation.duplicates.closer import Pixels, detailed_image
from prep.curation.duplicates.comparison import Comparison, compare
from prep.curation.duplicates.similarity import small_square
from tests.prep.pictures import scene

SPRITE = (334, 700)
"""Size of a full figure in a visual novel."""
_SKIN, _INK = (250, 221, 200), (60, 35, 40)
EXPRESSIONS = ("neutral", "smiling", "surprised", "asleep", "angry", "winking", "sad")


def photograph(seed: int, size: tuple[int, int] = (900, 600)) -> Image.Image:
    """Soft areas, edges, texture and noise, as a camera sees them."""
    rng = np.random.default_rng(seed)
    pixels = np.asarray(scene(seed, size), np.float32)
    pixels = 0.35 * pixels + 0.65 * pixels.mean(axis=2, keepdims=True)
    for octave in (8, 24, 60):
        rows = size[1] * octave // size[0] + 1
        texture = rng.normal(0, 14, (rows, octave)).astype(np.float32)
        pixels = pixels + cv2.resize(texture, size, interpolation=cv2.INTER_CUBIC)[..., None]
    pixels += rng.normal(0, 3, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def sprite(expression: str, *, ground: Image.Image | None = None, hair: int = 0) -> Image.Image:
    """A full figure, whose face is about 3 % of the picture; only the face has the expression."""
    width, height = SPRITE
    image = (ground or Image.new("RGB", (1, 1), (255, 255, 255))).resize(SPRITE)
    pen = ImageDraw.Draw(image)
    colour = ((150, 60, 70), (40, 40, 60), (220, 190, 110))[hair]
    pen.rounded_rectangle((82, 190, 252, height - 10), 50, (90, 105, 150), _INK, 3)
    pen.polygon([(140, 195), (194, 195), (167, 330)], (240, 240, 245), _INK)
    for x in (62, 242):
        pen.rounded_rectangle((x, 215, x + 30, 480), 14, (90, 105, 150), _INK, 3)
        pen.ellipse((x + 2, 465, x + 28, 495), _SKIN, _INK)
    pen.line((167, 420, 167, height - 14), _INK, 3)
    pen.ellipse((95, 25, 239, 200), colour, _INK, 3)
    pen.ellipse((117, 70, 217, 192), _SKIN, _INK, 2)
    pen.polygon([(113, 95), (167, 58), (221, 95), (190, 84), (167, 100), (140, 84)], colour)
    _face(pen, width // 2, 130, expression)
    return image


def _face(pen: ImageDraw.ImageDraw, x: int, y: int, expression: str) -> None:
    for side in (-1, 1):
        eye = x + 24 * side
        shut = expression == "asleep" or (expression == "winking" and side > 0)
        if shut:
            pen.arc((eye - 11, y - 8, eye + 11, y + 6), 20, 160, _INK, 3)
        else:
            tall = 13 if expression == "surprised" else 10
            pen.ellipse((eye - 10, y - tall, eye + 10, y + tall), (255, 255, 255), _INK, 2)
            pen.ellipse((eye - 5, y - 7, eye + 5, y + 7), (60, 90, 160))
        tilt = {"angry": 5, "sad": -5}.get(expression, 0)
        lift = 5 if expression == "surprised" else 0
        pen.line(
            (eye - 11 * side, y - 18 + tilt - lift, eye + 11 * side, y - 18 - tilt - lift), _INK, 3
        )
    box = (x - 12, y + 26, x + 12, y + 44)
    if expression == "smiling":
        pen.chord(box, 0, 180, (170, 60, 70), _INK)
    elif expression == "surprised":
        pen.ellipse((x - 7, y + 30, x + 7, y + 46), (120, 40, 50), _INK)
    elif expression == "sad":
        pen.arc(box, 200, 340, _INK, 2)
    else:
        pen.line((x - 9, y + 37, x + 9, y + 37), _INK, 2)


def marked(
    image: Image.Image,
    words: str,
    place: tuple[float, float],
    height: float,
    ink: Sequence[int],
) -> Image.Image:
    """Write words over a picture.

    Args:
        image: The picture.
        words: The words.
        place: Where they begin, as shares of the width and height.
        height: Their height, as a share of the shorter side.
        ink: Red, green, blue, and the opacity in per cent.
    """
    layer = Image.new("RGBA", image.size, (*ink[:3], 0))
    font = ImageFont.load_default(round(height * min(image.size)))
    at = (place[0] * image.width, place[1] * image.height)
    ImageDraw.Draw(layer).text(at, words, (*ink[:3], round(2.55 * ink[3])), font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def compared(first: Image.Image, second: Image.Image) -> Comparison:
    """Compare two pictures as ``shikomi dupes`` does."""

    def details() -> tuple[Pixels, Pixels]:
        return detailed_image(first), detailed_image(second)

    return compare(small_square(first), small_square(second), details)
