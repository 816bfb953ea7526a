from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from prep.curation.duplicates.similarity import SIDE, Thumbnail, compare, thumbnail
from prep.errors import UnreadableError
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
        assert compare(first, small(copy, tmp_path)).same
    variant = picture.copy()
    ImageDraw.Draw(variant).rectangle((150, 100, 180, 125), fill=(255, 255, 255), outline=0)
    seen = compare(first, small(variant, tmp_path))
    assert not seen.same
    assert seen.variant
    assert 0 < seen.area < 0.1
    other = compare(first, small(scene(seed + 50), tmp_path))
    assert not other.same


def face(mouth: str, eyes: tuple[int, int, int] = (30, 30, 30)) -> Image.Image:
    image = Image.new("RGB", (400, 400), (200, 220, 240))
    pen = ImageDraw.Draw(image)
    pen.ellipse((80, 60, 320, 340), fill=(250, 220, 190), outline=(40, 30, 30), width=6)
    for x in (150, 230):
        pen.ellipse((x, 150, x + 25, 185), fill=eyes)
    if mouth == "open":
        pen.ellipse((180, 250, 220, 290), fill=(160, 40, 50), outline=(40, 30, 30), width=4)
    elif mouth == "closed":
        pen.line((180, 268, 220, 268), fill=(40, 30, 30), width=5)
    return image


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (face("open"), face("closed")),
        (face("closed"), face("")),
        (face("closed"), face("closed", eyes=(200, 30, 30))),
        (face("closed", eyes=(214, 40, 40)), face("closed", eyes=(30, 120, 40))),
    ],
    ids=["mouth", "no mouth", "eyes", "colour of the eyes"],
)
def test_a_changed_face_is_a_variant(
    tmp_path: Path, first: Image.Image, second: Image.Image
) -> None:
    seen = compare(small(first, tmp_path), small(second, tmp_path))
    assert seen.variant
    assert not seen.overlay


def marked(picture: Image.Image, place: tuple[int, int], size: int, words: str) -> Image.Image:
    layer = Image.new("RGBA", picture.size, (255, 255, 255, 0))
    ImageDraw.Draw(layer).text(place, words, (255, 255, 255, 150), ImageFont.load_default(size))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


@pytest.mark.parametrize("seed", range(4))
def test_words_over_a_picture_are_no_variant(tmp_path: Path, seed: int) -> None:
    picture = ImageEnhance.Brightness(scene(seed, (640, 480))).enhance(0.6)
    signed = marked(picture, (330, 440), 28, "(c) somebody.example")
    seen = compare(small(picture, tmp_path), small(signed, tmp_path))
    assert seen.same
    assert seen.overlay in (0, 2)
    assert compare(small(signed, tmp_path), small(picture, tmp_path)).overlay in (0, 1)


def test_a_change_of_all_colours_is_no_difference(tmp_path: Path) -> None:
    picture = scene(3)
    first = small(picture, tmp_path)
    warm = Image.fromarray(np.uint8(np.asarray(picture) * np.array([1.0, 0.85, 0.6])))
    for copy in (picture.convert("L"), warm, ImageEnhance.Color(picture).enhance(0.2)):
        seen = compare(first, small(copy, tmp_path))
        assert seen.same
        assert seen.recoloured
    assert not compare(first, first).recoloured


def test_flat_pictures_are_compared_by_their_tone() -> None:
    dark, light = (np.full((SIDE, SIDE, 3), level, np.uint8) for level in (10, 200))
    assert compare(dark, dark).same
    assert not compare(dark, light).same
    assert not compare(dark, light).variant


def test_a_file_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(UnreadableError, match=r"a\.png"):
        thumbnail(tmp_path / "a.png")
