import subprocess
import sys
from pathlib import Path

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from prep.curation.duplicates import hash_kinds
from prep.curation.duplicates.hash_kinds import HashKind
from prep.curation.duplicates.hashes import (
    distance,
    perceptual_hash,
    phash,
    sharpness,
    transposed,
    turned_hashes,
)
from prep.curation.duplicates.neighbours import MIRRORED, TURNS, turn
from prep.errors import UnreadableError
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
    assert distance(turned_hashes(grey)[1], mirrored) <= 2


@pytest.mark.parametrize("number", range(8))
def test_hashes_of_drawings_equal_those_of_imagehash(number: int) -> None:
    grey = draw_numbered(number, (640, 480)).convert("L")
    assert phash(grey) == as_number(imagehash.phash(grey))


@pytest.mark.parametrize("level", [0, 17, 255])
def test_flat_and_symmetric_pictures_have_one_hash(level: int) -> None:
    flat = Image.new("L", (100, 70), level)
    assert turned_hashes(flat)[0] == turned_hashes(flat)[1]
    half = noise(1, (64, 64))
    whole = Image.new("L", (128, 64))
    whole.paste(half, (0, 0))
    whole.paste(ImageOps.mirror(half), (64, 0))
    assert turned_hashes(whole)[0] == turned_hashes(whole)[1]


def test_a_file_is_hashed_as_people_see_it(tmp_path: Path) -> None:
    picture = noise(5, (640, 480)).convert("RGB")
    picture.save(tmp_path / "a.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif)
    ImageOps.mirror(picture).save(tmp_path / "mirrored.webp", quality=90)
    first = perceptual_hash(tmp_path / "a.png")
    turned = perceptual_hash(tmp_path / "turned.jpg")
    mirrored = perceptual_hash(tmp_path / "mirrored.webp")
    for part in ("whole", "middle"):
        upright, other = getattr(first, part), getattr(mirrored, part)
        assert distance(upright[0], getattr(turned, part)[0]) <= 4
        assert distance(upright[1], other[0]) <= 4
        assert distance(upright[0], other[1]) <= 4


def test_the_middle_does_not_see_a_bar_at_the_edge(tmp_path: Path) -> None:
    picture = noise(5, (640, 480)).convert("RGB")
    picture.save(tmp_path / "a.png")
    picture.paste((0, 0, 0), (0, 440, 640, 480))
    picture.save(tmp_path / "b.png")
    first, second = (perceptual_hash(tmp_path / name) for name in ("a.png", "b.png"))
    assert distance(first.middle[0], second.middle[0]) == 0
    assert distance(first.whole[0], second.whole[0]) > 6


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        perceptual_hash(tmp_path / "missing.png")


@given(st.integers(0, 10**6), st.tuples(st.integers(40, 200), st.integers(40, 200)))
@settings(max_examples=30, deadline=None)
def test_the_hashes_of_all_turns_come_from_one_transform(seed: int, size: tuple[int, int]) -> None:
    grey = noise(seed, size)
    four = np.array(turned_hashes(grey), np.uint64)
    made = [int(value) for value in (*four, *transposed(four))]
    for number in range(len(TURNS)):
        turned = Image.fromarray(turn(np.asarray(grey), number))
        assert distance(made[number], phash(turned)) <= 4


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1))
def test_transposing_exchanges_rows_and_columns(values: list[int]) -> None:
    bits = np.array([[int(b) for b in f"{value:064b}"] for value in values]).reshape(-1, 8, 8)
    wanted = ["".join(map(str, square.T.ravel())) for square in bits]
    assert [f"{int(v):064b}" for v in transposed(np.array(values, np.uint64))] == wanted


def test_sharpness_falls_with_blur_and_not_with_light() -> None:
    grey = noise(3, (512, 512))
    crisp = sharpness(grey)
    blurred = sharpness(grey.filter(ImageFilter.GaussianBlur(6)))
    paler = sharpness(grey.point(lambda value: value * 0.6 + 40))
    assert blurred < crisp / 1.5
    assert paler == pytest.approx(crisp, rel=0.05)
    assert sharpness(Image.new("L", (64, 64), 9)) == 0


def test_neither_grain_nor_darkness_is_sharpness() -> None:
    grey = noise(3, (512, 512))
    grain = np.random.default_rng(4).normal(0, 1, (512, 512))
    light = np.asarray(grey, np.float64)
    noisy, dark = (
        Image.fromarray((factor * light + spread * grain).clip(0, 255).astype(np.uint8))
        for factor, spread in ((1, 16), (0.12, 6))
    )
    assert sharpness(noisy) < 1.5 * sharpness(grey)
    assert sharpness(dark) < sharpness(grey)


@pytest.mark.parametrize("kind", ["ahash", "dhash", "whash"])
def test_other_hashes_are_those_of_imagehash_in_all_turns(tmp_path: Path, kind: HashKind) -> None:
    picture = noise(3, (160, 130)).convert("L")
    picture.save(tmp_path / "a.png")
    whole, middle = hash_kinds.turned_hashes(tmp_path / "a.png", kind).tolist()
    peer = {"ahash": imagehash.average_hash, "dhash": imagehash.dhash, "whash": imagehash.whash}
    assert whole[0] == as_number(peer[kind](picture))
    assert whole[MIRRORED] == as_number(peer[kind](ImageOps.mirror(picture)))
    left = picture.transpose(Image.Transpose.ROTATE_90)
    assert whole[TURNS.index("rotated by 90° to the left")] == as_number(peer[kind](left))
    assert middle[0] == as_number(peer[kind](picture.crop((16, 13, 144, 117))))


def test_imagehash_is_imported_only_for_other_hashes() -> None:
    # It brings scipy and PyWavelets along, which would slow every start.
    code = (
        "import sys, tui.cli, prep.cli.dupes, prep.ops.dupes, prep.ops.scan\n"
        "print({'imagehash', 'scipy', 'pywt'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
