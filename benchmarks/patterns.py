"""Flat drawings of what stands in rows, as writing does: panes, books, bricks, keys, rings, leaves.

Ink and paper are as even in a flat drawing as in a caption, so that shape alone tells them apart.
"""

import math
import random
from collections.abc import Callable

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
Motif = Callable[[ImageDraw.ImageDraw, tuple[float, float, float, float], "Style"], None]
_SIDE = 768


class Style:
    """Colours and proportions that all pieces of one row share, and chance for what differs."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.dark: Colour = _tone(rng, 0, 110)
        self.light: Colour = _tone(rng, 150, 255)
        self.line = rng.choice((1, 2, 2, 3, 5))
        self.parts = rng.randint(1, 3)
        self.turn = rng.random() * math.pi


def _tone(rng: random.Random, low: int, high: int) -> Colour:
    level = rng.randint(low, high)
    return (level, max(0, level - rng.randint(0, 40)), max(0, level - rng.randint(0, 60)))


def _pane(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    pen.rectangle(box, style.dark, style.light, style.line)
    for part in range(1, style.parts + 1):
        x = left + (right - left) * part / (style.parts + 1)
        pen.line((x, top, x, bottom), style.light, style.line)
    middle = top + (bottom - top) * 0.4
    pen.line((left, middle, right, middle), style.light, style.line)


def _book(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    top += style.rng.uniform(0, 0.35) * (bottom - top)
    pen.rectangle((left, top, right, bottom), _tone(style.rng, 30, 240), style.dark, 1)
    band = top + 0.2 * (bottom - top)
    pen.line((left, band, right, band), style.light, style.line)


def _plain(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    pen.rectangle(box, style.dark)


def _stake(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    middle, narrow = (left + right) / 2, (right - left) / 4
    shoulder = top + 0.15 * (bottom - top)
    corners = [(middle - narrow, bottom), (middle - narrow, shoulder), (middle, top)]
    corners += [(middle + narrow, shoulder), (middle + narrow, bottom)]
    pen.polygon(corners, style.dark)


def _ring(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    pen.ellipse(box, None, style.dark, max(2, style.line))


def _loop(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    pen.arc(box, style.rng.choice((0, 90, 180, 200)), 360, style.dark, max(2, style.line))


def _leaf(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    angle, points = style.rng.random() * 2 * math.pi, []
    for step in range(5):
        far = style.rng.uniform(0.25, 0.5)
        x = (left + right) / 2 + far * (right - left) * math.cos(angle + step * 1.26)
        y = (top + bottom) / 2 + far * (bottom - top) * math.sin(angle + step * 1.26)
        points.append((x, y))
    pen.polygon(points, style.dark)


def _blob(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    trim = style.rng.uniform(0, 0.3)
    width, height = trim * (right - left), style.rng.uniform(0, 0.3) * (bottom - top)
    pen.ellipse((left + width, top + height, right, bottom), style.dark)


def _star(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    radius = min(box[2] - box[0], box[3] - box[1]) / 2
    pen.regular_polygon((x, y, radius), style.parts + 2, math.degrees(style.turn), style.dark)


def _cross(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    for turn in range(style.parts + 1):
        angle = style.turn + turn * math.pi / (style.parts + 1)
        across = (box[2] - box[0]) / 2 * math.cos(angle)
        down = (box[3] - box[1]) / 2 * math.sin(angle)
        pen.line((x - across, y - down, x + across, y + down), style.dark, style.line)


def _chair(pen: ImageDraw.ImageDraw, box: tuple[float, float, float, float], style: Style) -> None:
    left, top, right, bottom = box
    seat = top + 0.55 * (bottom - top)
    pen.rounded_rectangle((left, top, right, seat), 3, style.dark)
    for x in (left + 2, right - 2):
        pen.line((x, seat, x, bottom), style.dark, style.line)


MOTIFS: tuple[Motif, ...] = (
    _pane, _pane, _book, _plain, _stake, _ring, _loop, _leaf, _blob, _star, _cross, _chair,
)  # fmt: skip


def drawing(seed: int) -> Image.Image:
    """Draw rows of one or two motifs, 768 pixels square."""
    rng = random.Random(seed)
    style = Style(rng)
    if rng.random() < 0.4:
        style.dark, style.light = style.light, style.dark
    image = Image.new("RGB", (_SIDE, _SIDE), style.light)
    pen = ImageDraw.Draw(image)
    if rng.random() < 0.4:
        pen.rectangle((0, 0, _SIDE, rng.randint(200, 600)), _tone(rng, 0, 255))
    motifs = rng.sample(MOTIFS, rng.choice((1, 1, 2)))
    top, growth = float(rng.randint(-20, 60)), rng.choice((1.0, 1.0, 1.15))
    height = rng.uniform(10, 90)
    wide, gap, leading = rng.uniform(0.3, 1.3), rng.uniform(0.05, 0.7), rng.uniform(0.05, 1.0)
    loose = rng.choice((0.0, 0.0, 0.1, 0.3))
    while top < _SIDE:
        left = -rng.random() * height
        while left < _SIDE:
            width = height * wide * (1 + loose * rng.uniform(-1, 1))
            y = top + loose * height * rng.uniform(-0.3, 0.3)
            rng.choice(motifs)(pen, (left, y, left + max(3, width), y + height), style)
            left += max(3, width) + gap * height
        top += height * (1 + leading)
        height *= growth
    return image
