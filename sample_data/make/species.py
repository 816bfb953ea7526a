"""Species: what tells a bear from a penguin, and where its hat, face and hands belong.

An anatomy is data plus two painters, one for what lies behind the head and body (tails, ears)
and one for what lies on the face (muzzles, beaks). Everything else is drawn alike for all.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sample_data.make.pen import Colour, Pen, Point, mix

CREAM: Colour = (255, 244, 226)
NOSE: Colour = (60, 40, 48)
BEAK: Colour = (255, 160, 40)


def _nothing(*_: object) -> None:
    """Stand for 'no such part'."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The proportions of one species, in character units.

    Attributes:
        behind: Paints tail and ears, before head and body.
        front: Paints muzzle, beak or whiskers; the pen's origin is the middle of the face.
        hat: Where a hat rests.
        eye: The right eye, from the middle of the face.
        mouth: How far the mouth lies below the middle of the face.
        limbs: Whether it has arms and legs, and so can sit.
        white_belly: Whether the belly is cream rather than a tint of the coat.
    """

    behind: Callable[[Pen, Colour], None] = _nothing
    front: Callable[[Pen], None] = _nothing
    hat: Point = (0.0, -0.8)
    eye: Point = (0.22, -0.08)
    mouth: float = 0.14
    limbs: bool = True
    white_belly: bool = False


def _both(pen: Pen, draw: Callable[[Pen], None]) -> None:
    for side in (pen, pen.flipped()):
        draw(side)


def _bear_behind(pen: Pen, coat: Colour) -> None:
    def ear(side: Pen) -> None:
        side.ellipse(0.41, -0.74, 0.2, 0.2, coat)
        side.ellipse(0.41, -0.74, 0.1, 0.1, mix(coat, CREAM, 0.6), None)

    _both(pen, ear)


def _bear_front(pen: Pen) -> None:
    pen.ellipse(0, 0.13, 0.23, 0.17, CREAM, None)
    pen.ellipse(0, 0.04, 0.08, 0.055, NOSE, None)


def _cat_behind(pen: Pen, coat: Colour) -> None:
    pen.limb((0.3, 0.75), (0.68, 0.62), 0.1, coat)
    pen.limb((0.68, 0.62), (0.72, 0.32), 0.1, coat)

    def ear(side: Pen) -> None:
        side.polygon([(0.16, -0.72), (0.5, -1.02), (0.52, -0.48)], coat)
        side.polygon([(0.3, -0.74), (0.45, -0.88), (0.45, -0.62)], (250, 150, 170), None)

    _both(pen, ear)


def _cat_front(pen: Pen) -> None:
    def whiskers(side: Pen) -> None:
        for y, tip in ((0.06, 0.02), (0.13, 0.17)):
            side.line([(0.3, y), (0.66, tip)], 0.03)

    _both(pen, whiskers)
    pen.polygon([(-0.06, 0.03), (0.06, 0.03), (0, 0.1)], (250, 120, 150), None)


def _rabbit_behind(pen: Pen, coat: Colour) -> None:
    pen.ellipse(-0.42, 0.66, 0.14, 0.14, CREAM)

    def ear(side: Pen) -> None:
        side.limb((0.3, -0.7), (0.42, -1.16), 0.22, coat)
        side.line([(0.32, -0.76), (0.41, -1.12)], 0.09, (250, 170, 185))

    _both(pen, ear)


def _rabbit_front(pen: Pen) -> None:
    pen.ellipse(0, 0.05, 0.06, 0.045, (240, 110, 140), None)
    pen.polygon([(-0.07, 0.21), (0.07, 0.21), (0.06, 0.32), (-0.06, 0.32)], (255, 255, 255))


def _fox_behind(pen: Pen, coat: Colour) -> None:
    pen.limb((0.3, 0.72), (0.62, 0.5), 0.3, coat)
    pen.ellipse(0.7, 0.3, 0.17, 0.19, CREAM)

    def ear(side: Pen) -> None:
        side.polygon([(0.2, -0.72), (0.56, -1.12), (0.54, -0.42)], coat)
        side.polygon([(0.43, -0.98), (0.56, -1.12), (0.555, -0.86)], NOSE, None)

    _both(pen, ear)


def _fox_front(pen: Pen) -> None:
    _both(
        pen,
        lambda side: side.polygon([(0, 0.36), (0.42, 0.18), (0.47, 0.0), (0.1, 0.08)], CREAM, None),
    )
    pen.ellipse(0, 0.07, 0.085, 0.065, NOSE, None)


def _penguin_front(pen: Pen) -> None:
    pen.polygon([(-0.14, 0.04), (0.14, 0.04), (0, 0.2)], BEAK)


def _frog_behind(pen: Pen, coat: Colour) -> None:
    _both(pen, lambda side: side.ellipse(0.38, -0.66, 0.22, 0.22, coat))


def _frog_front(pen: Pen) -> None:
    _both(pen, lambda side: side.ellipse(0.38, -0.25, 0.165, 0.165, CREAM, None))
    _both(pen, lambda side: side.ellipse(0.36, 0.06, 0.07, 0.05, (250, 130, 140), None))


SPECIES: dict[str, Anatomy] = {
    "bear": Anatomy(_bear_behind, _bear_front),
    "cat": Anatomy(_cat_behind, _cat_front),
    "rabbit": Anatomy(_rabbit_behind, _rabbit_front),
    "fox": Anatomy(_fox_behind, _fox_front),
    "penguin": Anatomy(front=_penguin_front, mouth=0.24, white_belly=True),
    "frog": Anatomy(_frog_behind, _frog_front, hat=(0, -0.83), eye=(0.38, -0.25), mouth=0.16),
    "slime": Anatomy(hat=(0, -0.62), eye=(0.26, 0.1), mouth=0.3, limbs=False),
}
