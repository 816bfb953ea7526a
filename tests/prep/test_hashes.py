from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from prep import hashes
from prep.errors import UnreadableError
from prep.hashes import both_hashes, distance, look, pairs, phash, sharpness
from tests.conftest import draw_numbered


def noise(seed: int, size: tuple[int, int]) -> Image.Image:
    """A soft random picture, as unlike any other as photographs are."""
    grid = np.random.default_rng(seed).integers(0, 256, (size[1] // 8 + 2, size[0] // 8 + 2))
    return Image.fromarray(grid.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)


def as_number(made: imagehash.ImageHash) -> int:
    return int(str(made), 16)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.tuples(st.integers(20, 300), st.integers(20, 300)))
def test_hashes_equal_those_of_imagehash(seed: int, size: tuple[int, int]) -> None:
    grey = noise(seed, size)
    assert phash(grey) == as_number(imagehash.phash(grey))
    # Resizing the mirror image rounds a little differently: a bit on the median may turn.
    mirrored = as_number(imagehash.phash(ImageOps.mirror(grey)))
    assert distance(both_hashes(grey)[1], mirrored) <= 2


@pytest.mark.parametrize("number", range(8))
def test_hashes_of_drawings_equal_those_of_imagehash(number: int) -> None:
    grey = draw_numbered(number, (640, 480)).convert("L")
    assert phash(grey) == as_number(imagehash.phash(grey))


@pytest.mark.parametrize("level", [0, 17, 255])
def test_flat_and_symmetric_pictures_have_one_hash(level: int) -> None:
    flat = Image.new("L", (100, 70), level)
    assert both_hashes(flat)[0] == both_hashes(flat)[1]
    half = noise(1, (64, 64))
    whole = Image.new("L", (128, 64))
    whole.paste(half, (0, 0))
    whole.paste(ImageOps.mirror(half), (64, 0))
    assert both_hashes(whole)[0] == both_hashes(whole)[1]


def test_a_file_is_hashed_as_people_see_it(tmp_path: Path) -> None:
    picture = noise(5, (640, 480)).convert("RGB")
    picture.save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif)
    ImageOps.mirror(picture).save(tmp_path / "mirrored.webp", quality=90)
    first = look(tmp_path / "a.png")
    assert distance(first.phash, look(tmp_path / "turned.jpg").phash) <= 4
    mirrored = look(tmp_path / "mirrored.webp")
    assert distance(first.mirrored, mirrored.phash) <= 4
    assert distance(first.phash, mirrored.mirrored) <= 4
    with pytest.raises(UnreadableError):
        look(tmp_path / "missing.png")


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    grey = noise(3, (512, 512))
    crisp = sharpness(grey)
    blurred = sharpness(grey.filter(ImageFilter.GaussianBlur(6)))
    paler = sharpness(grey.point(lambda value: value * 0.6 + 40))
    assert blurred < crisp / 1.5
    assert paler == pytest.approx(crisp, rel=0.05)
    assert sharpness(Image.new("L", (64, 64), 9)) == 0


HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=60)


def brute_force(values: list[int], radius: int) -> list[tuple[int, int]]:
    return [
        (i, j)
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= radius
    ]


def related(seed: int, count: int) -> NDArray[np.uint64]:
    """Random hashes, each third one a few bits away from another."""
    random = np.random.default_rng(seed)
    values = random.integers(0, 2**64, count, np.uint64)
    for place in range(0, count - 1, 3):
        for bit in random.choice(64, int(random.integers(0, 14)), replace=False):
            values[place] = values[place + 1] ^ (np.uint64(1) << np.uint64(bit))
    return values


@settings(max_examples=40, deadline=None)
@given(HASHES, st.integers(0, 15), st.booleans())
def test_pairs_are_complete(values: list[int], radius: int, by_words: bool) -> None:
    # Neighbours of what is there: random hashes alone are never near each other.
    values += [value ^ (0b1011 << (value % 60)) for value in values]
    array = np.array(values, np.uint64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hashes, "_BRUTE_FORCE_UP_TO", 0 if by_words else 10**9)
        assert [tuple(pair) for pair in pairs(array, radius).tolist()] == brute_force(
            values, radius
        )


@pytest.mark.parametrize("radius", [0, 3, 4, 8, 10, 15])
def test_the_two_ways_to_find_pairs_agree(monkeypatch: pytest.MonkeyPatch, radius: int) -> None:
    values = related(radius, 1500)
    expected = pairs(values, radius)
    monkeypatch.setattr(hashes, "_BRUTE_FORCE_UP_TO", 0)
    monkeypatch.setattr(hashes, "_CANDIDATES", 97)  # many small parts
    assert np.array_equal(pairs(values, radius), expected)
    assert radius == 0 or len(expected) > 0


def test_equal_hashes_are_all_paired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashes, "_BRUTE_FORCE_UP_TO", 0)
    assert len(pairs(np.zeros(100, np.uint64), 8)) == 100 * 99 // 2
    assert pairs(np.empty(0, np.uint64), 8).shape == (0, 2)
