"""Held things, marks on the belly and neckwear: small shapes around their own origin.

A held thing's origin is the hand, a mark's the middle of the belly, neckwear's the neck. The
tables' keys are the tags.
"""

from collections.abc import Callable

from sample_data.make.pen import INK, Pen, star_points

RED = (222, 44, 52)
WHITE = (250, 250, 250)
GOLD = (252, 208, 36)
GREEN = (60, 150, 60)
BROWN = (140, 88, 44)
SILVER = (200, 212, 226)
TEAL = (30, 150, 160)
VIOLET = (120, 70, 190)
PINK = (250, 120, 180)
NAVY = (44, 60, 150)


def _balloon(pen: Pen) -> None:
    pen.line([(0, 0), (0.06, -0.5)], 0.035)
    pen.ellipse(0.06, -0.78, 0.27, 0.31, RED)
    pen.ellipse(-0.03, -0.9, 0.06, 0.08, WHITE, None)


def _flower(pen: Pen) -> None:
    pen.line([(0, 0.16), (0.02, -0.32)], 0.07, GREEN)
    for x, y in ((-0.14, -0.48), (0.18, -0.48), (-0.08, -0.3), (0.12, -0.3), (0.02, -0.6)):
        pen.ellipse(x, y, 0.13, 0.13, PINK)
    pen.ellipse(0.02, -0.45, 0.1, 0.1, GOLD)


def _umbrella(pen: Pen) -> None:
    pen.line([(0, 0.15), (0, -0.5)], 0.05)
    for left, right, colour in ((-0.46, -0.15, TEAL), (-0.15, 0.15, WHITE), (0.15, 0.46, TEAL)):
        pen.polygon(
            [(left, -0.5), (left * 0.55, -0.78), (right * 0.55, -0.78), (right, -0.5)], colour
        )
    pen.polygon([(-0.27, -0.76), (0, -0.92), (0.27, -0.76)], TEAL)


def _fish(pen: Pen) -> None:
    pen.polygon([(0.3, -0.12), (0.52, -0.32), (0.52, 0.1)], SILVER)
    pen.ellipse(0.08, -0.12, 0.3, 0.17, SILVER)
    pen.ellipse(-0.08, -0.15, 0.045, 0.045, INK, None)


def _ice_cream(pen: Pen) -> None:
    pen.polygon([(-0.16, -0.22), (0.16, -0.22), (0, 0.2)], (222, 170, 96))
    pen.ellipse(0, -0.32, 0.21, 0.19, PINK)
    pen.ellipse(0, -0.54, 0.15, 0.14, WHITE)


def _book(pen: Pen) -> None:
    pen.polygon([(-0.26, -0.26), (0.02, -0.18), (0.02, 0.24), (-0.26, 0.16)], NAVY)
    pen.polygon([(0.3, -0.26), (0.02, -0.18), (0.02, 0.24), (0.3, 0.16)], WHITE)


def _sword(pen: Pen) -> None:
    pen.polygon([(-0.06, -0.12), (-0.06, -0.78), (0, -0.92), (0.06, -0.78), (0.06, -0.12)], SILVER)
    pen.line([(0, -0.06), (0, 0.18)], 0.08, BROWN)
    pen.polygon([(-0.2, -0.16), (0.2, -0.16), (0.2, -0.06), (-0.2, -0.06)], GOLD)


HELD: dict[str, Callable[[Pen], None]] = {
    "balloon": _balloon,
    "flower": _flower,
    "umbrella": _umbrella,
    "fish": _fish,
    "ice_cream": _ice_cream,
    "book": _book,
    "sword": _sword,
}


def _star_mark(pen: Pen) -> None:
    pen.polygon(star_points(0, 0.02, 0.27), GOLD)


def _heart_mark(pen: Pen) -> None:
    curve = [(0, -0.1), (0.1, -0.2), (0.21, -0.16), (0.22, -0.02), (0, 0.24)]
    pen.polygon([*curve, *((-x, y) for x, y in reversed(curve[1:-1]))], RED)


def _moon_mark(pen: Pen) -> None:
    outer = [(0.08, -0.24), (-0.12, -0.18), (-0.2, 0), (-0.12, 0.18), (0.08, 0.24), (0.18, 0.17)]
    pen.polygon([*outer, (0.02, 0.1), (-0.03, 0), (0.02, -0.1), (0.18, -0.17)], VIOLET)


def _stripe_mark(pen: Pen) -> None:
    for y in (-0.16, 0.02, 0.2):
        pen.line([(-0.2, y), (0.2, y)], 0.085, NAVY)


MARKS: dict[str, Callable[[Pen], None]] = {
    "star_mark": _star_mark,
    "heart_mark": _heart_mark,
    "moon_mark": _moon_mark,
    "stripe_mark": _stripe_mark,
}


def _scarf(pen: Pen) -> None:
    pen.polygon([(0.12, 0), (0.34, 0), (0.36, 0.34), (0.18, 0.34)], (236, 92, 40))
    pen.polygon([(-0.38, -0.07), (0.38, -0.07), (0.36, 0.1), (-0.36, 0.1)], (236, 92, 40))


def _bowtie(pen: Pen) -> None:
    for side in (pen, pen.flipped()):
        side.polygon([(0, 0.02), (0.24, -0.11), (0.24, 0.15)], NAVY)
    pen.ellipse(0, 0.02, 0.07, 0.07, NAVY)


NECKWEAR: dict[str, Callable[[Pen], None]] = {"scarf": _scarf, "bowtie": _bowtie}
