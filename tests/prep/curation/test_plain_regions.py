"""Another background is another picture; brighter, tinted and clipped pictures are copies."""

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from sample_data.make import world
from tests.prep.curation.duplicate_pictures import compared, marked, sprite

PINK, WHITE, GREY = (255, 192, 203), (255, 255, 255), (150, 150, 150)


def on(colour: tuple[int, int, int]) -> Image.Image:
    """A figure on a plain background."""
    return sprite("smiling", ground=Image.new("RGB", (1, 1), colour))


def drawn(seed: int, background: str) -> Image.Image:
    scene = world.sample_scene(random.Random(seed), world.MASCOT)
    return world.draw(replace(scene, background=background), (384, 384))


@pytest.mark.parametrize("other", [WHITE, GREY, (190, 225, 250)])
def test_a_figure_on_another_plain_background_is_never_surely_a_copy(
    other: tuple[int, int, int],
) -> None:
    for changed in (on(other), ImageEnhance.Brightness(on(other)).enhance(0.85)):
        assert not compared(on(PINK), changed).same
        assert not compared(changed, on(PINK)).same


@pytest.mark.parametrize("background", ["pink_background", "snow"])
def test_nor_is_a_flat_drawing(background: str) -> None:
    assert not compared(drawn(3, "white_background"), drawn(3, background)).same


def test_nor_is_one_with_a_signature() -> None:
    signed = marked(on(WHITE), "M. Kowalski", (0.05, 0.03), 0.06, (25, 20, 20, 60))
    assert not compared(on(PINK), signed).same


def test_a_bar_is_a_mark_though_it_is_plain() -> None:
    picture = drawn(3, "underwater")
    barred = picture.copy()
    ImageDraw.Draw(barred).rectangle((0, 354, 384, 384), (10, 10, 10))
    barred = marked(barred, "www.board.example", (0.05, 0.935), 0.05, (255, 255, 255, 100))
    assert compared(barred, picture).same


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "paler": lambda image: ImageEnhance.Color(image).enhance(0.4),
    "curve": lambda image: image.point([round(255 * (n / 255) ** 1.3) for n in range(256)] * 3),
    "warmer": lambda image: Image.fromarray(np.uint8(np.asarray(image) * [1.0, 0.95, 0.8])),
}


@pytest.mark.parametrize("edit", list(EDITS))
def test_edits_of_everything_are_no_change_of_the_background(edit: str) -> None:
    picture = on(PINK)
    assert compared(picture, EDITS[edit](picture)).same
    assert compared(EDITS[edit](picture), picture).same


def lines_on(ground: Image.Image, width: int = 3) -> Image.Image:
    """Bare black lines on a background."""
    picture = ground.resize((400, 400), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for place in range(20, 360, 30):
        pen.ellipse((place, 20, 380, place + 60), None, (0, 0, 0), width)
    return picture


SLATE = Image.new("RGB", (1, 1), (90, 100, 120))
SKY = Image.new("RGB", (2, 2))
SKY.putdata([(20, 60, 130), (40, 110, 180), (60, 120, 200), (25, 70, 140)])
"""Four pixels, which become a gradient in two directions."""


@pytest.mark.parametrize("width", [3, 12])
@pytest.mark.parametrize("ground", [SLATE, SKY])
def test_bare_lines_on_another_background_are_never_surely_a_copy(
    ground: Image.Image, width: int
) -> None:
    light = lines_on(Image.new("RGB", (1, 1), (205, 220, 235)), width)
    other = lines_on(ground, width)
    for first, second in ((light, other), (other, light)):
        assert not compared(first, second).same
    assert compared(other, ImageEnhance.Brightness(other).enhance(0.85)).same


def test_lines_on_a_sky_are_not_those_on_slate() -> None:
    sky, slate = lines_on(SKY, 12), lines_on(SLATE, 12)
    assert not compared(sky, slate).same
    assert not compared(slate, sky).same


@pytest.mark.parametrize("factor", [1.3, 1.4])
def test_what_is_clipped_may_vanish(factor: float) -> None:
    pale = Image.new("L", (2, 2))
    pale.putdata([250, 190, 200, 240])
    picture = lines_on(pale.convert("RGB"))
    clipped = ImageEnhance.Brightness(picture).enhance(factor)
    assert compared(picture, clipped).same
    assert compared(clipped, picture).same


@pytest.mark.parametrize("factor", [0.75, 1.25])
def test_black_lines_say_nothing_of_the_brightness_of_what_they_are_on(factor: float) -> None:
    picture = lines_on(Image.new("RGB", (400, 400), (190, 160, 120)))
    assert compared(picture, ImageEnhance.Brightness(picture).enhance(factor)).same
    assert compared(picture, ImageOps.grayscale(picture)).same
