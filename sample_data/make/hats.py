"""Hats: each is drawn around its own origin, the point where it rests on the head.

The table's keys are the tags, so a new hat is one function and one line.
"""

from collections.abc import Callable

from sample_data.make.pen import Pen

STRAW = (238, 205, 112)
RED = (214, 40, 44)
WHITE = (250, 250, 250)
BLACK = (36, 34, 44)
GOLD = (250, 204, 40)
VIOLET = (92, 52, 140)
LIME = (150, 220, 60)
CYAN = (70, 200, 225)
PINK = (248, 110, 170)


def _straw_hat(pen: Pen) -> None:
    pen.ellipse(0, 0.0, 0.5, 0.12, STRAW)
    pen.ellipse(0, -0.14, 0.28, 0.22, STRAW)
    pen.polygon([(-0.29, -0.1), (0.29, -0.1), (0.29, 0.01), (-0.29, 0.01)], RED)


def _top_hat(pen: Pen) -> None:
    pen.polygon([(-0.25, -0.5), (0.25, -0.5), (0.23, 0.0), (-0.23, 0.0)], BLACK)
    pen.polygon([(-0.24, -0.17), (0.24, -0.17), (0.23, -0.04), (-0.23, -0.04)], WHITE)
    pen.ellipse(0, 0.02, 0.4, 0.08, BLACK)


def _crown(pen: Pen) -> None:
    spikes = [(-0.34, -0.38), (-0.16, -0.2), (0, -0.44), (0.16, -0.2), (0.34, -0.38)]
    pen.polygon([*spikes, (0.28, 0.05), (-0.28, 0.05)], GOLD)
    pen.ellipse(0, -0.08, 0.07, 0.07, RED)


def _witch_hat(pen: Pen) -> None:
    pen.ellipse(0, 0.0, 0.5, 0.11, VIOLET)
    pen.polygon([(-0.28, -0.02), (0.12, -0.58), (0.28, -0.02)], VIOLET)
    pen.polygon([(-0.26, -0.13), (0.25, -0.13), (0.28, 0.0), (-0.28, 0.0)], LIME)


def _santa_hat(pen: Pen) -> None:
    pen.polygon([(-0.32, 0.0), (-0.05, -0.42), (0.42, -0.26), (0.32, 0.0)], RED)
    pen.ellipse(0.44, -0.2, 0.11, 0.11, WHITE)
    pen.ellipse(0, 0.02, 0.4, 0.1, WHITE)


def _party_hat(pen: Pen) -> None:
    pen.polygon([(-0.24, 0.04), (0, -0.54), (0.24, 0.04)], CYAN)
    pen.polygon([(-0.17, -0.14), (-0.1, -0.3), (0.13, -0.22), (0.19, -0.09)], PINK, None)
    pen.ellipse(0, -0.54, 0.1, 0.1, GOLD)


def _hair_flower(pen: Pen) -> None:
    for x, y in ((-0.13, -0.04), (0.13, -0.04), (-0.08, -0.22), (0.08, -0.22), (0, 0.06)):
        pen.ellipse(x, y - 0.02, 0.13, 0.13, WHITE)
    pen.ellipse(0, -0.09, 0.1, 0.1, GOLD)


HATS: dict[str, Callable[[Pen], None]] = {
    "straw_hat": _straw_hat,
    "top_hat": _top_hat,
    "crown": _crown,
    "witch_hat": _witch_hat,
    "santa_hat": _santa_hat,
    "party_hat": _party_hat,
    "hair_flower": _hair_flower,
}

REAL_HATS = frozenset(name for name in HATS if name.endswith("_hat"))
"""The hats that a booru would tag `hat` as well; a crown and a flower are none."""
