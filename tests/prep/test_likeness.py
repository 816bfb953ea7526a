from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter

from prep.errors import UnreadableError
from prep.likeness import SAME_BELOW, SIDE, Thumbnail, difference, thumbnail
from tests.prep.pictures import scene


def small(image: Image.Image, tmp_path: Path) -> Thumbnail:
    path = tmp_path / "a.png"
    image.save(path)
    return thumbnail(path)


@pytest.mark.parametrize("seed", range(6))
def test_copies_are_the_same_and_variants_are_not(tmp_path: Path, seed: int) -> None:
    picture = scene(seed)
    first = small(picture, tmp_path)
    for copy in (
        picture.resize((200, 150)),
        picture.crop((0, 7, 320, 240)),
        picture.crop((5, 4, 315, 236)),
        picture.filter(ImageFilter.GaussianBlur(2)),
        ImageEnhance.Brightness(picture).enhance(0.8),
        ImageEnhance.Contrast(picture).enhance(1.15),
    ):
        assert difference(first, small(copy, tmp_path)) < SAME_BELOW
    variant = picture.copy()
    ImageDraw.Draw(variant).rectangle((150, 100, 180, 125), fill=(255, 255, 255), outline=0)
    assert difference(first, small(variant, tmp_path)) > SAME_BELOW
    assert difference(first, small(scene(seed + 50), tmp_path)) > SAME_BELOW


def test_flat_pictures_are_compared_by_their_tone() -> None:
    dark, light = np.full((SIDE, SIDE), 10, np.uint8), np.full((SIDE, SIDE), 200, np.uint8)
    assert difference(dark, dark) == 0
    assert difference(dark, light) == float("inf")


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UnreadableError, match=r"a\.png"):
        thumbnail(tmp_path / "a.png")
