import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageOps

from prep.images.crops.borders import inner
from tests.prep.pictures import scene

SIDE = st.integers(0, 60)


def framed(left: int, top: int, right: int, bottom: int, colour: str, seed: int) -> Image.Image:
    picture = scene(seed)
    size = (picture.width + left + right, picture.height + top + bottom)
    image = Image.new("RGB", size, colour)
    image.paste(picture, (left, top))
    return image


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from(["black", "white"]), st.integers(0, 20))
@settings(max_examples=40, deadline=None)
def test_bars_are_found_to_the_pixel(
    left: int, top: int, right: int, bottom: int, colour: str, seed: int
) -> None:
    found = inner(framed(left, top, right, bottom, colour, seed))
    if found is None:
        assert max(left, top, right, bottom) < 12
        return
    width, height = 320, 240
    for cut, bar in (
        (found.left, left),
        (found.top, top),
        (left + width + right - found.right, right),
        (top + height + bottom - found.bottom, bottom),
    ):
        # Two pixels of a soft edge go too; bars of a few pixels, or that the picture's own edge
        # hides, stay.
        assert cut in (0, bar + 2) or bar <= cut <= bar + 14
        assert cut == 0 or cut >= min(bar, 4)


def test_compressed_letterboxes_are_found() -> None:
    buffer = io.BytesIO()
    framed(0, 40, 0, 40, "black", 3).save(buffer, "JPEG", quality=60)
    found = inner(Image.open(buffer).convert("RGB"))
    assert found is not None
    assert found.left == 0
    assert found.right == 320
    assert 38 <= found.top <= 44
    assert 276 <= found.bottom <= 282


def test_a_figure_on_a_plain_ground_is_no_picture_in_a_frame() -> None:
    image = Image.new("RGB", (400, 300), "white")
    ImageDraw.Draw(image).ellipse((120, 60, 280, 240), fill="green", outline="black", width=4)
    assert inner(image) is None


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (50, 50)])
def test_plain_and_tiny_images_have_no_border(size: tuple[int, int]) -> None:
    assert inner(Image.new("RGB", size, "gray")) is None


def test_a_picture_without_border_is_left_alone() -> None:
    assert inner(scene(4)) is None


def test_a_sky_is_no_bar() -> None:
    sky = Image.linear_gradient("L").resize((300, 300)).convert("RGB")
    assert inner(sky) is None
    sky.paste(scene(1, (300, 100)), (0, 200))
    assert inner(sky) is None


@pytest.mark.parametrize("size", [40, 120, 240, 1000])
@pytest.mark.parametrize("wide", [0.3, 0.5])
def test_figures_of_any_size_are_no_frames(size: int, wide: float) -> None:
    image = Image.new("RGB", (size, size), "white")
    reach = size * wide
    box = (size / 2 - reach, size * 0.4, size / 2 + reach, size * 0.95)
    ImageDraw.Draw(image).ellipse(box, fill="green")
    assert inner(image) is None


def test_bars_at_the_side_uncover_bars_above() -> None:
    picture = scene(5, (100, 200))
    image = Image.new("RGB", (400, 240), "black")
    image.paste(picture, (150, 20))
    found = inner(image)
    assert found is not None
    assert found.left in range(150, 155)
    assert found.top in range(20, 25)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("share", [0.65, 0.85])
def test_a_straight_side_of_a_figure_is_no_border(turns: int, share: float) -> None:
    image = Image.new("RGB", (300, 300), "white")
    box = (150 - 150 * share, 60, 150 + 150 * share, 340)
    ImageDraw.Draw(image).ellipse(box, fill="green")
    image.paste("white", (0, 200, 300, 300))  # where the bust ends
    assert inner(image.rotate(90 * turns)) is None


def test_a_border_beside_a_straight_side_is_still_found() -> None:
    image = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(image).rectangle((20, 60, 240, 200), fill="green")
    found = inner(ImageOps.expand(image, (0, 40), "black"))
    assert found is not None
    assert (found.left, found.right) == (0, 300)
    assert found.top in range(40, 44)
    assert found.bottom in range(336, 341)
