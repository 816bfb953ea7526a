"""Pictures whose colours were all changed alike are copies; one changed colour is content."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance

from prep.curation.duplicates.closer import detailed_image
from prep.curation.duplicates.colours import in_colours_of
from prep.curation.duplicates.comparison import Comparison, compare
from prep.curation.duplicates.similarity import small_square
from sample_data.make import world
from tests.prep.curation.duplicate_pictures import photograph


def drawn(seed: int) -> Image.Image:
    """Draw a scene of flat colours, of which the strongest are rare."""
    return world.draw(world.sample_scene(random.Random(seed), world.MASCOT), (384, 384))


def turned(image: Image.Image, degrees: float) -> Image.Image:
    """Turn all hues, as the slider of an editor does."""
    hue, saturation, value = image.convert("HSV").split()
    shift = round(degrees * 256 / 360)
    other = hue.point([(level + shift) % 256 for level in range(256)])
    return Image.merge("HSV", (other, saturation, value)).convert("RGB")


def compared(first: Image.Image, second: Image.Image) -> Comparison:
    large = detailed_image(first), detailed_image(second)
    return compare(small_square(first), small_square(second), lambda: large)


@pytest.mark.parametrize("seed", [2, 6])
@pytest.mark.parametrize("factor", [0.0, 0.4, 0.6])
def test_a_paler_or_grey_copy_is_a_copy_though_a_colour_is_rare(seed: int, factor: float) -> None:
    picture = drawn(seed)
    assert compared(picture, ImageEnhance.Color(picture).enhance(factor)).same


@pytest.mark.parametrize("seed", [3, 8])
@pytest.mark.parametrize("degrees", [-25, 12, 25])
def test_another_hue_of_everything_is_a_copy(seed: int, degrees: int) -> None:
    picture = drawn(seed)
    assert compared(picture, turned(picture, degrees)).same


@pytest.mark.parametrize("degrees", [25, 120])
def test_another_colour_of_eyes_in_a_grey_drawing_is_content(degrees: int) -> None:
    drawing = photograph(4, (480, 360)).convert("L").convert("RGB")
    for left in (200, 260):
        ImageDraw.Draw(drawing).ellipse((left, 150, left + 30, 180), (40, 90, 220))
    found = compared(drawing, turned(drawing, degrees))
    assert not found.same


def test_the_same_colours_are_left_as_they_are() -> None:
    pixels = np.asarray(drawn(1), np.float32).reshape(-1, 3).T
    assert in_colours_of(pixels, pixels) is None


def test_colours_that_faded_come_back() -> None:
    picture = drawn(2)
    pixels, faded = (
        np.asarray(each, np.float32).reshape(-1, 3).T
        for each in (picture, ImageEnhance.Color(picture).enhance(0.5))
    )
    change = in_colours_of(faded, pixels)
    assert change is not None
    assert np.abs(change(faded) - pixels).max() < 6
