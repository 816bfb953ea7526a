from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from prep.curation.duplicates.similarity import (
    SIDE,
    first_look,
    same_part,
    small_square,
    thumbnail,
)
from prep.errors import UnreadableError
from tests.prep.curation.duplicate_pictures import marked
from tests.prep.pictures import scene


@pytest.mark.parametrize("seed", range(4))
def test_other_pictures_are_ruled_out_and_crops_are_aligned(seed: int) -> None:
    picture = scene(seed)
    assert not first_look(small_square(picture), small_square(scene(seed + 50))).alike
    look = first_look(small_square(picture), small_square(picture.crop((16, 0, 320, 240))))
    assert look.alike
    # What is left of the crop is 5 % of the picture's width.
    assert look.warp[0, 0] == pytest.approx(320 / 304, abs=0.01)
    assert look.warp[0, 2] == pytest.approx(-16 / 304, abs=0.01)
    assert look.warp[1].tolist() == pytest.approx([0, 1, 0], abs=0.01)


def test_a_large_mark_does_not_rule_a_picture_out() -> None:
    dark = ImageEnhance.Brightness(scene(5)).enhance(0.2)
    stamped = marked(dark, "SAMPLE", (0.1, 0.35), 0.3, (255, 255, 255, 100))
    assert first_look(small_square(dark), small_square(stamped)).alike


def test_parts_of_different_pictures_are_not_the_same() -> None:
    first, second = small_square(scene(1)), small_square(scene(2))
    assert same_part(first, first)
    assert not same_part(first, second)


def test_flat_pictures_are_compared_by_their_tone() -> None:
    dark, light = (np.full((SIDE, SIDE, 3), level, np.uint8) for level in (10, 200))
    assert first_look(dark, dark).difference == 0
    assert not first_look(dark, light).alike


def test_a_change_of_all_colours_is_noticed() -> None:
    picture = scene(3)
    assert first_look(small_square(picture), small_square(picture.convert("L"))).recoloured
    assert not first_look(small_square(picture), small_square(picture)).recoloured


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UnreadableError, match=r"a\.png"):
        thumbnail(tmp_path / "a.png")


def test_a_thumbnail_is_a_square(tmp_path: Path) -> None:
    Image.new("RGB", (300, 40)).save(tmp_path / "a.png")
    assert thumbnail(tmp_path / "a.png").shape == (SIDE, SIDE, 3)
