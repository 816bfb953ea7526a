"""The demo world: which drawings exist, what they look like, and which tags are true of them.

A scene is a plain value; `sample_scene` picks one, `draw` paints it and `tags` names what it
shows. Because the same value drives both, tags are true by construction. Nothing here depends
on a clock, a file or global random state.
"""

import random
from dataclasses import dataclass

from PIL import Image, ImageDraw

from sample_data.make.backgrounds import BACKGROUNDS, Canvas
from sample_data.make.faces import EXPRESSIONS
from sample_data.make.figure import HEAD_BOX, Looks, draw_figure
from sample_data.make.hats import HATS, REAL_HATS
from sample_data.make.pen import INK, Colour, Pen, mix
from sample_data.make.species import SPECIES
from sample_data.make.things import HELD, MARKS, NECKWEAR

COLOURS: dict[str, Colour] = {
    "red": (222, 48, 48),
    "orange": (250, 140, 30),
    "yellow": (250, 222, 60),
    "green": (64, 180, 72),
    "blue": (56, 110, 232),
    "purple": (150, 74, 206),
    "pink": (255, 140, 190),
    "brown": (142, 92, 54),
    "white": (248, 248, 246),
    "black": (46, 44, 52),
}
POSES = ("full_body", "sitting", "jumping", "upper_body")
SUPERSAMPLING = 3


@dataclass(frozen=True, slots=True)
class Character:
    """What stays the same wherever a character appears.

    Attributes:
        species: Key of SPECIES.
        colour: Key of COLOURS.
        mark: Key of MARKS, or None.
    """

    species: str
    colour: str
    mark: str | None


MASCOT = Character("bear", "green", "star_mark")
"""The one that the base model never sees; a LoRA is to teach it."""

NAMED = {
    Character("cat", "black", "moon_mark"): "kuro_(shikomi)",
    Character("rabbit", "pink", "heart_mark"): "momo_(shikomi)",
    Character("penguin", "blue", "stripe_mark"): "captain_waddle",
    Character("fox", "orange", None): "rin",
}
"""Characters known by name, as boorus know them."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a drawing shows.

    Attributes:
        character: Who.
        expression: Key of EXPRESSIONS.
        background: Key of BACKGROUNDS.
        pose: One of POSES.
        hat: Key of HATS, or None.
        held: Key of HELD, or None.
        neckwear: Key of NECKWEAR, or None.
        mirrored: Whether the holding hand is on the left.
        size: How much of the canvas the figure fills, 1 at most.
        shift: Where it stands, -1 (left) to 1 (right) of the free room.
        seed: Varies the details of the background.
    """

    character: Character
    expression: str = "smile"
    background: str = "white_background"
    pose: str = "full_body"
    hat: str | None = None
    held: str | None = None
    neckwear: str | None = None
    mirrored: bool = False
    size: float = 1.0
    shift: float = 0.0
    seed: int = 0


def tags(scene: Scene) -> list[str]:
    """Return the true general tags of a scene, with underscores, in a fixed order.

    Example:
        >>> tags(Scene(Character("cat", "red", None), hat="top_hat"))[2:7]
        ['cat', 'red_body', 'top_hat', 'hat', 'smile']
    """
    who = scene.character
    found = ["solo", "no_humans", who.species, f"{who.colour}_body"]
    found += [who.mark] if who.mark else []
    if scene.hat:
        found += [scene.hat, "hat"] if scene.hat in REAL_HATS else [scene.hat]
    found += [scene.expression, "open_mouth"] if scene.expression == ":d" else [scene.expression]
    found += [scene.held, "holding"] if scene.held else []
    found += [scene.neckwear] if scene.neckwear else []
    found += (
        [scene.pose] if scene.pose in ("full_body", "upper_body") else [scene.pose, "full_body"]
    )
    return found + list(BACKGROUNDS[scene.background].tags)


def character_tag(scene: Scene) -> str | None:
    """Return the name of the character shown, if it has one."""
    return NAMED.get(scene.character)


def resembles_mascot(character: Character) -> bool:
    """Say whether a character must stay out of the base model's training.

    The mascot's species never occurs in its colour nor with its mark, so that nothing but a
    LoRA can have taught the combination.
    """
    same_looks = character.colour == MASCOT.colour or character.mark == MASCOT.mark
    return character.species == MASCOT.species and same_looks


def sample_character(rng: random.Random) -> Character:
    """Pick a character; one in eight is a named one."""
    if rng.random() < 0.125:
        return rng.choice(list(NAMED))
    mark = rng.choice(list(MARKS)) if rng.random() < 0.7 else None
    return Character(rng.choice(list(SPECIES)), rng.choice(list(COLOURS)), mark)


def sample_scene(rng: random.Random, character: Character | None = None) -> Scene:
    """Pick a scene, all traits independent of one another.

    Args:
        rng: The only source of chance.
        character: Who is to be shown; by default anyone.

    Returns:
        The scene.
    """
    who = character or sample_character(rng)
    poses = [p for p in POSES if p != "sitting" or SPECIES[who.species].limbs]
    return Scene(
        character=who,
        expression=rng.choice(list(EXPRESSIONS)),
        background=rng.choice(list(BACKGROUNDS)),
        pose=rng.choice(poses),
        hat=rng.choice(list(HATS)) if rng.random() < 0.7 else None,
        held=rng.choice(list(HELD)) if rng.random() < 0.6 else None,
        neckwear=rng.choice(list(NECKWEAR)) if rng.random() < 0.3 else None,
        mirrored=rng.random() < 0.5,
        size=rng.uniform(0.84, 1.0),
        shift=rng.uniform(-1.0, 1.0),
        seed=rng.randrange(1 << 30),
    )


def draw(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """Paint a scene.

    Args:
        scene: What to show.
        size: Width and height in pixels.

    Returns:
        An RGB image.
    """
    big = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    image = Image.new("RGB", big)
    BACKGROUNDS[scene.background].paint(Canvas(image, random.Random(scene.seed)))
    _draw_character(ImageDraw.Draw(image), big, scene)
    return image.reduce(SUPERSAMPLING)


def draw_cutout(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """Paint the character alone on a transparent canvas (RGBA); the background is ignored."""
    big = (size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING)
    image = Image.new("RGBA", big)
    _draw_character(ImageDraw.Draw(image), big, scene, shadow=False)
    return image.reduce(SUPERSAMPLING)


def head_box(scene: Scene, size: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return where the head of a scene is, with round ears and without the hat.

    Args:
        scene: What is shown; not a slime, which is all head.
        size: Width and height of the picture, pixels.

    Returns:
        Left, top, right, bottom, pixels.
    """
    pen = _framed_pen(ImageDraw.Draw(Image.new("1", (1, 1))), size, scene)
    left, top, right, bottom = HEAD_BOX
    return (
        pen.x + left * pen.unit,
        pen.y + top * pen.unit,
        pen.x + right * pen.unit,
        pen.y + bottom * pen.unit,
    )


def _draw_character(
    canvas: ImageDraw.ImageDraw, size: tuple[int, int], scene: Scene, *, shadow: bool = True
) -> None:
    pen = _framed_pen(canvas, size, scene)
    who = scene.character
    if (
        shadow
        and scene.pose != "upper_body"
        and scene.background not in ("underwater", "night_sky")
    ):
        low = 1.22 if scene.pose == "jumping" else 0.95
        pen.ellipse(0, low, 0.5, 0.07, mix(INK, (150, 150, 150), 0.5), None)
    pose = scene.pose if scene.pose in ("sitting", "jumping") else "standing"
    looks = Looks(
        species=who.species,
        coat=COLOURS[who.colour],
        mark=who.mark,
        expression=scene.expression,
        hat=scene.hat,
        held=scene.held,
        neckwear=scene.neckwear,
        pose=pose,
    )
    draw_figure(pen, looks)


def _framed_pen(canvas: ImageDraw.ImageDraw, size: tuple[int, int], scene: Scene) -> Pen:
    """Place the character so that hat, hand and mark are never cut off."""
    width, height = size
    if scene.pose == "upper_body":
        unit = min(width / 2.3, height / 2.2) * scene.size
        middle = height - 0.8 * unit  # the canvas ends just below the mark
    else:
        air = 0.24 if scene.pose == "jumping" else 0.0
        unit = min(width / 2.3, height / (2.5 + air)) * scene.size
        middle = height - (1.05 + air) * unit
    room = max(0.0, width - 2.4 * unit)
    return Pen(canvas, width / 2 + scene.shift * room / 2, middle, unit, scene.mirrored)
