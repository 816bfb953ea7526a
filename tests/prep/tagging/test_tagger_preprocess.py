"""The tagger's pixels against a plain reading of the recipe: pad the full picture, then resize."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from prep.errors import UnreadableError
from prep.tagging.runtime import preprocess
from prep.tagging.runtime.preprocess import Recipe
from tests.conftest import draw_numbered

SIDE = 48


def reference(path: Path, side: int) -> NDArray[np.uint8]:
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    picture = Image.new("RGBA", upright.size, "white")
    picture.alpha_composite(upright)
    longest = max(picture.size)
    canvas = Image.new("RGB", (longest, longest), (255, 255, 255))
    place = ((longest - picture.width) // 2, (longest - picture.height) // 2)
    canvas.paste(picture.convert("RGB"), place)
    if longest != side:
        canvas = canvas.resize((side, side), Image.Resampling.BICUBIC)
    return np.array(canvas)[..., ::-1]


def check(path: Path) -> None:
    found = preprocess.pixels(path, Recipe(SIDE))
    assert found.shape == (SIDE, SIDE, 3)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, reference(path, SIDE))


@pytest.mark.parametrize(
    "size", [(1, 1), (2, 1), (48, 48), (97, 64), (64, 97), (700, 3), (3, 700), (90, 611), (47, 49)]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA", "1"])
def test_any_size_and_mode_equals_the_reference(
    tmp_path: Path, size: tuple[int, int], mode: str
) -> None:
    image = draw_numbered(77, size)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.linear_gradient("L").rotate(90).resize(size))
    path = tmp_path / "picture.png"
    image.convert(mode).save(path)
    check(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_first(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.jpg"
    draw_numbered(5, (90, 41)).save(path, exif=exif)
    check(path)


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = draw_numbered(9, (30, 20)).quantize(8)
    path = tmp_path / "icon.gif"
    image.save(path, transparency=image.getpixel((0, 0)))
    check(path)


def test_channels_are_blue_green_red_without_scaling(tmp_path: Path) -> None:
    path = tmp_path / "orange.png"
    Image.new("RGB", (10, 10), (250, 130, 7)).save(path)
    assert preprocess.pixels(path, Recipe(4)).reshape(-1, 3).tolist() == [[7, 130, 250]] * 16


def test_an_odd_pixel_of_padding_goes_to_the_right_and_below(tmp_path: Path) -> None:
    path = tmp_path / "column.png"
    Image.new("RGB", (1, 4), (0, 0, 0)).save(path)
    assert preprocess.pixels(path, Recipe(4))[:, :, 0].tolist() == [[255, 0, 255, 255]] * 4


def test_an_absurdly_long_picture_is_refused_before_its_square_is_made(tmp_path: Path) -> None:
    path = tmp_path / "thread.png"
    Image.new("1", (70_000, 1)).save(path)
    with pytest.raises(UnreadableError, match="longer than 65,535 pixels"):
        preprocess.pixels(path, Recipe(SIDE))


def test_pictures_come_in_order_and_broken_ones_in_their_place(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(20)]
    for number, path in enumerate(paths):
        side = 400 - 19 * number  # the first ones take longest
        Image.new("RGB", (side, side), (number, 0, 0)).save(path)
    paths[7].write_bytes(b"no picture")
    found = list(preprocess.ahead(paths, Recipe(8), threads=3))
    assert [path for path, _ in found] == paths
    assert isinstance(found[7][1], UnreadableError)
    centres = [item[4, 4, 2] for _, item in found if not isinstance(item, UnreadableError)]
    assert centres == [n for n in range(20) if n != 7]
