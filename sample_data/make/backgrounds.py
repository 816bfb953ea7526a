"""Backgrounds: each paints the whole canvas and says which tags that makes true.

Details (clouds, trees, windows) vary with the given random numbers, so that two drawings of one
place differ; what makes the place recognisable does not.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sample_data.make.pen import Colour, mix


class Canvas:
    """A picture addressed by fractions of its width and height."""

    def __init__(self, image: Image.Image, rng: random.Random) -> None:
        """Wrap an image and the random numbers that vary its details."""
        self.width, self.height = image.size
        self.short = min(image.size)
        self.draw = ImageDraw.Draw(image)
        self.rng = rng

    def band(self, top: float, bottom: float, colour: Colour) -> None:
        """Fill a horizontal band."""
        h = self.height
        self.draw.rectangle((0, round(top * h), self.width, round(bottom * h)), fill=colour)

    def fade(self, top: float, bottom: float, upper: Colour, lower: Colour) -> None:
        """Fill a horizontal band with a vertical gradient."""
        steps = 40  # enough for no bands to be seen
        for k in range(steps):
            start = top + (bottom - top) * k / steps
            self.band(start, bottom, mix(upper, lower, k / (steps - 1)))

    def disc(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Fill a disc; its radius is a fraction of the shorter side."""
        cx, cy, r = x * self.width, y * self.height, radius * self.short
        self.draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=colour)

    def shape(self, points: list[tuple[float, float]], colour: Colour) -> None:
        """Fill a polygon given in fractions."""
        self.draw.polygon([(x * self.width, y * self.height) for x, y in points], fill=colour)

    def scatter(self, count: int, top: float, bottom: float) -> list[tuple[float, float]]:
        """Return random points of a band, spread over the width."""
        jitter = self.rng.uniform
        return [((k + jitter(0.1, 0.9)) / count, jitter(top, bottom)) for k in range(count)]


def _plain(colour: Colour) -> Callable[[Canvas], None]:
    return lambda canvas: canvas.band(0, 1, colour)


def _night_sky(canvas: Canvas) -> None:
    canvas.fade(0, 1, (18, 22, 74), (52, 58, 130))
    for x, y in canvas.scatter(14, 0.02, 0.9):
        canvas.disc(x, y, canvas.rng.uniform(0.008, 0.018), (255, 250, 210))
    canvas.disc(canvas.rng.choice((0.13, 0.87)), 0.14, 0.09, (255, 244, 180))


def _beach(canvas: Canvas) -> None:
    shore = canvas.rng.uniform(0.6, 0.72)
    canvas.band(0, 0.42, (150, 214, 250))
    canvas.band(0.42, shore, (34, 130, 200))
    canvas.band(shore, shore + 0.03, (240, 250, 255))
    canvas.band(shore + 0.03, 1, (244, 220, 160))
    canvas.disc(canvas.rng.choice((0.12, 0.88)), 0.13, 0.09, (255, 232, 90))


def _forest(canvas: Canvas) -> None:
    canvas.band(0, 0.8, (196, 226, 190))
    canvas.band(0.76, 1, (94, 132, 60))
    for x, y in canvas.scatter(5, 0.02, 0.14):
        canvas.shape(
            [(x - 0.015, 0.5), (x + 0.015, 0.5), (x + 0.02, 0.82), (x - 0.02, 0.82)], (92, 62, 40)
        )
        for drop, half in ((0.0, 0.08), (0.16, 0.12), (0.34, 0.15)):
            base = y + drop + 0.3
            canvas.shape([(x, y + drop), (x - half, base), (x + half, base)], (26, 92, 52))


def _room(canvas: Canvas) -> None:
    canvas.band(0, 0.78, (246, 226, 196))
    canvas.band(0.78, 1, (170, 112, 70))
    x = canvas.rng.choice((0.05, 0.7))
    canvas.shape([(x, 0.08), (x + 0.25, 0.08), (x + 0.25, 0.42), (x, 0.42)], (120, 78, 50))
    for k in range(2):
        left = x + 0.02 + k * 0.115
        canvas.shape(
            [(left, 0.1), (left + 0.095, 0.1), (left + 0.095, 0.4), (left, 0.4)], (160, 220, 250)
        )


def _snow(canvas: Canvas) -> None:
    canvas.band(0, 0.8, (176, 190, 210))
    canvas.band(0.74, 1, (246, 250, 255))
    for x, y in canvas.scatter(16, 0.02, 0.72):
        canvas.disc(x, y, canvas.rng.uniform(0.014, 0.026), (255, 255, 255))


def _sunset(canvas: Canvas) -> None:
    canvas.fade(0, 0.7, (232, 80, 80), (255, 200, 90))
    canvas.disc(canvas.rng.uniform(0.15, 0.85), 0.6, 0.16, (255, 240, 150))
    canvas.band(0.7, 1, (96, 44, 84))


def _city(canvas: Canvas) -> None:
    canvas.band(0, 1, (200, 218, 232))
    for x, top in canvas.scatter(5, 0.12, 0.45):
        canvas.shape(
            [(x - 0.09, top), (x + 0.09, top), (x + 0.09, 0.85), (x - 0.09, 0.85)], (112, 122, 140)
        )
        for row in range(4):
            for column in (-0.05, 0.02):
                left, y = x + column, top + 0.05 + row * 0.1
                canvas.shape(
                    [(left, y), (left + 0.035, y), (left + 0.035, y + 0.05), (left, y + 0.05)],
                    (255, 234, 150),
                )
    canvas.band(0.84, 1, (86, 88, 96))


def _underwater(canvas: Canvas) -> None:
    canvas.fade(0, 1, (40, 190, 205), (10, 84, 130))
    for x, y in canvas.scatter(8, 0.05, 0.85):
        radius = canvas.rng.uniform(0.02, 0.04)
        canvas.disc(x, y, radius, (210, 246, 250))
        canvas.disc(x, y, radius * 0.65, (60, 180, 200))
    for x, y in canvas.scatter(4, 0.76, 0.86):
        canvas.shape([(x - 0.03, 1), (x, y), (x + 0.03, 1)], (30, 150, 90))


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A place.

    Attributes:
        paint: Fills the canvas.
        tags: What it makes true, its own name first.
    """

    paint: Callable[[Canvas], None]
    tags: tuple[str, ...]


BACKGROUNDS: dict[str, Backdrop] = {
    "white_background": Backdrop(
        _plain((255, 255, 255)), ("white_background", "simple_background")
    ),
    "pink_background": Backdrop(_plain((255, 196, 214)), ("pink_background", "simple_background")),
    "grey_background": Backdrop(_plain((160, 160, 164)), ("grey_background", "simple_background")),
    "night_sky": Backdrop(_night_sky, ("night_sky", "outdoors")),
    "beach": Backdrop(_beach, ("beach", "outdoors")),
    "forest": Backdrop(_forest, ("forest", "outdoors")),
    "room": Backdrop(_room, ("room", "indoors")),
    "snow": Backdrop(_snow, ("snow", "outdoors")),
    "sunset": Backdrop(_sunset, ("sunset", "outdoors")),
    "city": Backdrop(_city, ("city", "outdoors")),
    "underwater": Backdrop(_underwater, ("underwater",)),
}
