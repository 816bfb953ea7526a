"""Copies, marked copies and variants, told apart at the sizes at which they occur."""

import io
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from prep.curation.duplicates.similarity import first_look, small_square
from tests.prep.curation.duplicate_pictures import (
    EXPRESSIONS,
    SPRITE,
    compared,
    marked,
    photograph,
    sprite,
)
from tests.prep.pictures import busy, scene

WHITE, DARK, RED = (255, 255, 255), (25, 20, 20), (200, 20, 20)


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def copies(image: Image.Image) -> list[Image.Image]:
    width, height = image.size
    x, y = round(0.015 * width), round(0.015 * height)
    return [
        jpeg(image, 60),
        image.resize((width // 2, height // 2)),
        jpeg(image.resize((round(0.7 * width), round(0.7 * height))), 75),
        image.crop((x, y, width - x, height - y)),
        image.crop((2 * x, 0, width, height)),
        image.filter(ImageFilter.GaussianBlur(1)),
        ImageEnhance.Brightness(image).enhance(0.8),
        ImageEnhance.Brightness(image).enhance(1.2),
        ImageEnhance.Contrast(image).enhance(1.15),
        ImageEnhance.Color(image).enhance(0.3),
        image.convert("L"),
    ]


@pytest.mark.parametrize("picture", [photograph(1), sprite("smiling"), scene(3, (640, 480))])
def test_edited_copies_are_the_same(picture: Image.Image) -> None:
    for copy in copies(picture):
        seen = compared(picture, copy)
        assert seen.same
        assert not seen.overlay


def shaken(length: int, angle: float) -> NDArray[np.float32]:
    """The kernel of a camera that moved along a line, pixels and degrees."""
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), angle, 1)
    kernel = np.asarray(cv2.warpAffine(line, turn, (length, length)), np.float32)
    return np.asarray(kernel / kernel.sum(), np.float32)


def out_of_focus(radius: int) -> NDArray[np.float32]:
    """The kernel of a lens out of focus."""
    side = 2 * radius + 1
    disc = np.zeros((side, side), np.float32)
    cv2.circle(disc, (radius, radius), radius, (1.0,), -1)
    return np.asarray(disc / disc.sum(), np.float32)


@pytest.mark.parametrize("kernel", [shaken(15, 0), shaken(13, 60), out_of_focus(6)])
@pytest.mark.parametrize("picture", [photograph(2), sprite("smiling"), busy(4)])
def test_a_blurred_copy_is_one_and_the_sharp_picture_has_no_mark(
    picture: Image.Image, kernel: NDArray[np.float32]
) -> None:
    blurred = Image.fromarray(np.asarray(cv2.filter2D(np.asarray(picture), -1, kernel), np.uint8))
    for first, second in ((picture, jpeg(blurred, 90)), (jpeg(blurred, 90), picture)):
        seen = compared(first, second)
        assert seen.same
        assert seen.overlay == 0


def test_blur_hides_no_other_expression() -> None:
    kernel = shaken(9, 30)
    smiling = np.asarray(sprite("smiling"))
    blurred = Image.fromarray(np.asarray(cv2.filter2D(smiling, -1, kernel), np.uint8))
    assert not compared(sprite("neutral"), blurred).same


@pytest.mark.parametrize(("drawn", "quality"), [(False, 100), (True, 80)])
def test_expressions_of_a_full_figure_are_variants(drawn: bool, quality: int) -> None:
    ground = photograph(4, SPRITE) if drawn else None
    figures = [jpeg(sprite(each, ground=ground), quality) for each in EXPRESSIONS]
    for first, second in pairwise(figures):
        seen = compared(first, second)
        assert not seen.same
        assert seen.variant or seen.uncertain
        assert 0 < seen.area < 0.04


def test_thumbnails_do_not_show_what_is_a_variant() -> None:
    # This is why there is a closer look.
    calm, angry = sprite("neutral"), sprite("angry")
    assert first_look(small_square(calm), small_square(angry)).difference < 0.1
    assert compared(calm, angry).variant


MARKS = {
    "signature, top left": ("M. Kowalski", (0.03, 0.03), 0.06, (*DARK, 60)),
    "credit, bottom": (
        "(c) 2021 Some Studio, all rights reserved",
        (0.2, 0.93),
        0.04,
        (*WHITE, 80),
    ),
    "stamp": ("SAMPLE", (0.2, 0.35), 0.16, (*RED, 50)),
    "opaque name": ("www.board.example", (0.4, 0.7), 0.05, (*WHITE, 100)),
}


@pytest.mark.parametrize("mark", list(MARKS))
@pytest.mark.parametrize("seed", range(2))
def test_marked_photographs_are_copies(mark: str, seed: int) -> None:
    picture = photograph(seed)
    written = jpeg(marked(picture, *MARKS[mark]), 90)
    seen = compared(picture, written)
    assert seen.same
    assert seen.overlay == 2
    assert compared(written, picture).overlay == 1


def test_tiled_words_and_a_bar_are_marks() -> None:
    picture = tiled = photograph(5)
    for row in range(4):
        for column in range(3):
            place = (0.05 + 0.32 * column + 0.1 * (row % 2), 0.06 + 0.24 * row)
            tiled = marked(tiled, "preview only", place, 0.05, (*WHITE, 50))
    assert compared(picture, tiled).overlay == 2
    barred = picture.copy()
    ImageDraw.Draw(barred).rectangle((0, 560, 900, 600), (10, 10, 10))
    barred = marked(barred, "http://art.example/77", (0.05, 0.945), 0.045, (*WHITE, 100))
    assert compared(picture, barred).overlay == 2


def test_a_mark_does_not_hide_another_expression() -> None:
    written = marked(sprite("sad"), "M. Kowalski", (0.05, 0.9), 0.06, (*DARK, 60))
    seen = compared(sprite("surprised"), written)
    assert not seen.same


@pytest.mark.parametrize("what", ["blush", "glasses", "tear", "no mouth"])
def test_what_is_drawn_over_a_face_is_never_surely_a_mark(what: str) -> None:
    calm, other = sprite("neutral"), sprite("neutral")
    pen = ImageDraw.Draw(other)
    if what == "blush":
        for x in (130, 184):
            pen.ellipse((x, 142, x + 20, 152), (250, 170, 170))
    elif what == "glasses":
        for x in (126, 174):
            pen.ellipse((x, 113, x + 34, 147), None, (20, 20, 20), 3)
        pen.line((160, 130, 174, 130), (20, 20, 20), 3)
    elif what == "tear":
        pen.ellipse((138, 142, 145, 156), (150, 200, 255), (60, 80, 140))
    else:
        pen.rectangle((150, 160, 184, 176), (250, 221, 200))
    for first, second in ((calm, other), (other, calm)):
        assert not compared(first, second).same


def test_colours_of_a_detail_are_content_and_those_of_all_are_not() -> None:
    picture = sprite("neutral")
    other = picture.copy()
    pen = ImageDraw.Draw(other)
    for x in (143, 191):
        pen.ellipse((x - 5, 123, x + 5, 137), (60, 150, 70))
    assert not compared(picture, other).same
    warm = Image.fromarray(np.uint8(np.asarray(picture) * np.array([1.0, 0.85, 0.6])))
    seen = compared(picture, warm)
    assert seen.same
    assert seen.recoloured


def test_a_grey_copy_of_a_grey_picture_with_one_coloured_place_is_the_same() -> None:
    picture = photograph(6).convert("L").convert("RGB")
    ImageDraw.Draw(picture).ellipse((420, 280, 460, 320), (200, 30, 40))
    assert compared(picture, picture.convert("L")).same
    assert compared(picture.convert("L"), picture).same
