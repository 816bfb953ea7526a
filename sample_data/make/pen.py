"""A pen that thinks in character units, so that shapes are written once for every canvas.

The origin is the middle of the character, y points down, and a standing figure reaches from
about -1 (top of the head) to +1 (feet). A pen may be mirrored, which is how one drawing of an
arm serves both sides. It must not know any species, hat or background.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from PIL import ImageDraw

Colour = tuple[int, int, int]
Point = tuple[float, float]

INK: Colour = (38, 28, 40)
OUTLINE = 0.035  # units; about 1.5 px on a 128 px canvas, which still reads after halving


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """Blend two colours.

    Args:
        a: The colour at share 0.
        b: The colour at share 1.
        share: How much of b to take, 0 to 1.

    Returns:
        The blended colour.

    Example:
        >>> mix((0, 0, 0), (200, 100, 50), 0.5)
        (100, 50, 25)
    """
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue


def star_points(x: float, y: float, radius: float) -> list[Point]:
    """Return the ten corners of an upright five-pointed star."""
    corners = []
    for k in range(10):
        reach = radius if k % 2 == 0 else radius * 0.45
        angle = math.pi * (k / 5 - 0.5)
        corners.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return corners


@dataclass(frozen=True, slots=True)
class Pen:
    """Draws outlined shapes, given in character units, on a Pillow canvas.

    Attributes:
        canvas: Where the pixels go.
        x: Canvas x of the pen's origin, in pixels.
        y: Canvas y of the pen's origin, in pixels.
        unit: Pixels per character unit.
        mirrored: Whether x grows to the left.
    """

    canvas: ImageDraw.ImageDraw
    x: float
    y: float
    unit: float
    mirrored: bool = False

    def at(self, x: float, y: float, scale: float = 1.0) -> "Pen":
        """Return a pen whose origin is the given point, scaled."""
        px, py = self._to_pixels((x, y))
        return replace(self, x=px, y=py, unit=self.unit * scale)

    def flipped(self) -> "Pen":
        """Return the same pen looking the other way."""
        return replace(self, mirrored=not self.mirrored)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: Colour, outline: Colour | None = INK
    ) -> None:
        """Fill an upright ellipse around (x, y)."""
        box = self._box(x, y, rx, ry)
        self.canvas.ellipse(box, fill=fill, outline=outline, width=self._width(OUTLINE))

    def polygon(self, points: Sequence[Point], fill: Colour, outline: Colour | None = INK) -> None:
        """Fill a closed polygon; its outline is drawn with round joints."""
        corners = [self._to_pixels(p) for p in points]
        self.canvas.polygon(corners, fill=fill)
        if outline is not None:
            loop = [*corners, *corners[:2]]  # two more, so that the last joint is round as well
            self.canvas.line(loop, fill=outline, width=self._width(OUTLINE), joint="curve")

    def line(self, points: Sequence[Point], width: float, fill: Colour = INK) -> None:
        """Draw an open line; width is in units."""
        corners = [self._to_pixels(p) for p in points]
        self.canvas.line(corners, fill=fill, width=self._width(width), joint="curve")

    def arc(self, x: float, y: float, rx: float, ry: float, start: float, end: float) -> None:
        """Draw part of an ellipse as a facial line; angles in degrees, clockwise from the right."""
        self.line_arc(x, y, (rx, ry), (start, end), INK)

    def line_arc(
        self,
        x: float,
        y: float,
        radii: Point,
        degrees: Point,
        fill: Colour,
        width: float = 0.05,
    ) -> None:
        """Draw part of an ellipse as a line of the given colour and width."""
        steps = 12
        start, end = (math.radians(d) for d in degrees)
        angles = [start + (end - start) * k / steps for k in range(steps + 1)]
        path = [(x + radii[0] * math.cos(a), y + radii[1] * math.sin(a)) for a in angles]
        self.line(path, width, fill)

    def limb(self, start: Point, end: Point, width: float, fill: Colour) -> None:
        """Draw a rounded, outlined stroke such as an arm or a tail."""
        for extra, colour in ((OUTLINE * 2, INK), (0.0, fill)):
            self.line([start, end], width + extra, colour)
            for point in (start, end):
                radius = (width + extra) / 2
                self.ellipse(*point, radius, radius, colour, outline=None)

    def _to_pixels(self, point: Point) -> Point:
        side = -1 if self.mirrored else 1
        return self.x + side * point[0] * self.unit, self.y + point[1] * self.unit

    def _box(self, x: float, y: float, rx: float, ry: float) -> tuple[float, float, float, float]:
        px, py = self._to_pixels((x, y))
        return (
            px - rx * self.unit,
            py - ry * self.unit,
            px + rx * self.unit,
            py + ry * self.unit,
        )

    def _width(self, units: float) -> int:
        return max(1, round(units * self.unit))
