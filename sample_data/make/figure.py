"""Puts one character together: body, head, face, and whatever it wears and holds.

Poses change only where hands, feet and body lie; the parts are drawn the same way in all of
them, back to front.
"""

from dataclasses import dataclass

from sample_data.make.faces import EXPRESSIONS, Face
from sample_data.make.hats import HATS
from sample_data.make.pen import INK, Colour, Pen, Point, mix
from sample_data.make.species import BEAK, CREAM, SPECIES, Anatomy
from sample_data.make.things import HELD, MARKS, NECKWEAR

LIGHT_INK: Colour = (250, 240, 190)
HEAD = (0.0, -0.38)
HEAD_BOX = (-0.6, -0.95, 0.6, 0.09)
"""Left, top, right, bottom of a head with its outline and a bear's ears."""
FACE_ON_BLACK_BELOW = 220  # sum of RGB under which dark lines no longer show


@dataclass(frozen=True, slots=True)
class Looks:
    """What a figure consists of; names are the keys of the part tables.

    Attributes:
        species: Key of SPECIES.
        coat: The colour of the body.
        mark: Key of MARKS, or None.
        expression: Key of EXPRESSIONS.
        hat: Key of HATS, or None.
        held: Key of HELD, or None.
        neckwear: Key of NECKWEAR, or None.
        pose: `standing`, `sitting` or `jumping`.
    """

    species: str
    coat: Colour
    mark: str | None
    expression: str
    hat: str | None
    held: str | None
    neckwear: str | None
    pose: str


@dataclass(frozen=True, slots=True)
class _Stance:
    holding: Point  # the hand that may hold something
    free: Point  # the other hand; x is mirrored
    foot: Point  # both feet
    sole: Point  # radii of a foot


_STANCES = {
    "standing": _Stance((0.66, 0.16), (0.58, 0.48), (0.22, 0.9), (0.18, 0.11)),
    "sitting": _Stance((0.66, 0.2), (0.5, 0.62), (0.42, 0.78), (0.2, 0.2)),
    "jumping": _Stance((0.7, -0.02), (0.74, -0.06), (0.4, 0.84), (0.16, 0.13)),
}


def draw_figure(pen: Pen, looks: Looks) -> None:
    """Draw one character around the pen's origin."""
    anatomy = SPECIES[looks.species]
    if anatomy.limbs:
        face_pen = _draw_animal(pen, looks, anatomy)
    else:
        face_pen = _draw_blob(pen, looks)
    _draw_face(face_pen, looks, anatomy)
    if looks.hat is not None:
        HATS[looks.hat](pen.at(*anatomy.hat))
    if looks.held is not None:
        _draw_held(pen, looks, anatomy)


def _draw_animal(pen: Pen, looks: Looks, anatomy: Anatomy) -> Pen:
    stance = _STANCES[looks.pose]
    anatomy.behind(pen, looks.coat)
    foot = BEAK if looks.species == "penguin" else looks.coat
    for side in (pen, pen.flipped()):
        side.ellipse(*stance.foot, *stance.sole, foot)
    pen.limb((-0.3, 0.22), (-stance.free[0], stance.free[1]), 0.17, looks.coat)
    pen.ellipse(0, 0.45, 0.43, 0.45, looks.coat)
    belly = CREAM if anatomy.white_belly else mix(looks.coat, CREAM, 0.6)
    pen.ellipse(0, 0.5, 0.32, 0.34, belly, None)
    if looks.mark is not None:
        MARKS[looks.mark](pen.at(0, 0.5))
    pen.limb((0.3, 0.2), stance.holding, 0.17, looks.coat)
    pen.ellipse(*HEAD, 0.54, 0.46, looks.coat)
    if looks.species == "penguin":
        for side in (pen, pen.flipped()):
            side.ellipse(0.2, -0.34, 0.24, 0.28, CREAM, None)
    if looks.neckwear is not None:
        NECKWEAR[looks.neckwear](pen.at(0, 0.08))
    return pen.at(*HEAD)


def _draw_blob(pen: Pen, looks: Looks) -> Pen:
    """Draw a slime: a drop without limbs whose face sits on its body."""
    drop = [(0.0, -0.82), (0.16, -0.6), (0.5, -0.3), (0.72, 0.16), (0.78, 0.6), (0.6, 0.9)]
    left = [(-x, y) for x, y in reversed(drop)]
    pen.polygon([*drop, *left[:-1]], looks.coat)
    pen.ellipse(-0.34, -0.2, 0.08, 0.15, mix(looks.coat, (255, 255, 255), 0.7), None)
    pen.ellipse(0, 0.56, 0.36, 0.29, mix(looks.coat, CREAM, 0.6), None)
    if looks.mark is not None:
        MARKS[looks.mark](pen.at(0, 0.56))
    if looks.neckwear is not None:
        NECKWEAR[looks.neckwear](pen.at(0, 0.24))
    return pen.at(0, -0.22)


def _draw_face(pen: Pen, looks: Looks, anatomy: Anatomy) -> None:
    anatomy.front(pen)
    dark_coat = sum(looks.coat) < FACE_ON_BLACK_BELOW
    on_cream = looks.species in ("penguin", "frog")  # their eyes lie on light patches
    ink = LIGHT_INK if dark_coat and not on_cream else INK
    EXPRESSIONS[looks.expression](Face(pen, ink, anatomy.eye, anatomy.mouth))


def _draw_held(pen: Pen, looks: Looks, anatomy: Anatomy) -> None:
    assert looks.held is not None
    hand = _STANCES[looks.pose].holding if anatomy.limbs else (0.74, 0.2)
    HELD[looks.held](pen.at(hand[0] + 0.06, hand[1]))
    pen.ellipse(*hand, 0.11, 0.11, looks.coat)
