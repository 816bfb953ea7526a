"""The pixels of over 200 odd pictures against another implementation of the reference's steps.

The other one works on numpy arrays: EXIF turns by flips and transposes, alpha by arithmetic, white
padding by an array, and bicubic scaling by a matrix of weights that it computes itself.
"""

import functools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from prep.tagging.models.records import (
    CAMIE,
    DEEPDANBOORU,
    OPPAI,
    PIXAI,
    PIXAI_1,
    WD,
    Record,
)
from prep.tagging.runtime.preprocess import Decode, Recipe, pixels
from tests.prep.odd_pictures import odd_pictures, read_bytes, upright_on_white

SIDE = 48
DECODES: tuple[Decode, ...] = ("reference", "fast")
Floats = NDArray[np.float64]


@functools.cache
def weights(source: int, target: int) -> Floats:
    """Return the bicubic weights (a = -0.5, widened when shrinking), shape (target, source)."""
    scale = source / target
    width = max(scale, 1.0)
    centres = (np.arange(target)[:, None] + 0.5) * scale
    x = np.abs((np.arange(source)[None] + 0.5 - centres) / width)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    found = np.where(x < 1, near, np.where(x < 2, far, 0.0))
    return np.asarray(found / found.sum(axis=1, keepdims=True), np.float64)


def reference(path: Path, side: int) -> Floats:
    """Return blue, green, red as the reference gives them, not yet rounded between its passes."""
    picture = upright_on_white(path)
    height, width = picture.shape[:2]
    full = max(height, width)
    canvas = np.full((full, full, 3), 255.0)
    top, left = (full - height) // 2, (full - width) // 2
    canvas[top : top + height, left : left + width] = picture
    matrix = weights(full, side)
    across = np.tensordot(canvas, matrix, ([1], [1]))  # height, colours, side
    rows = np.clip(np.round(across), 0, 255)
    scaled = np.tensordot(matrix, rows, ([1], [0])).swapaxes(1, 2)
    return np.asarray(np.clip(np.round(scaled), 0, 255)[..., ::-1], np.float64)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(odd_pictures(tmp_path_factory.mktemp("odd")))


def test_over_200_odd_pictures_look_as_the_reference_says(pictures: list[Path]) -> None:
    assert len(pictures) > 200
    worst, total = 0.0, 0.0
    for path in pictures:
        found = pixels(path, Recipe(SIDE))
        assert found.shape == (SIDE, SIDE, 3)
        difference = np.abs(found - reference(path, SIDE))
        worst = max(worst, difference.max())
        total += difference.mean()
    # Rounding: Pillow scales in fixed-point numbers, and blends alpha in whole ones.
    assert worst <= 2, worst
    assert total / len(pictures) < 0.01, total / len(pictures)


def test_the_fast_way_differs_by_little(pictures: list[Path]) -> None:
    """These pictures have noise in each pixel, one-bit noise at worst; real photos differ less."""
    reduced = []
    for path in pictures:
        exact = pixels(path, Recipe(SIDE)).astype(int)
        fast = pixels(path, Recipe(SIDE, WD, "fast")).astype(int)
        difference = np.abs(exact - fast)
        if difference.any():
            reduced.append(difference.mean())
            assert difference.max() <= 48, path
    assert 15 < len(reduced) < len(pictures)  # many are too small to be reduced
    assert max(reduced) < 10.0
    assert np.mean(reduced) < 2.0


@pytest.mark.parametrize("record", [PIXAI, CAMIE, DEEPDANBOORU])
def test_other_fits_the_fast_way(pictures: list[Path], record: Record) -> None:
    for path in pictures[-12:]:
        exact = pixels(path, Recipe(SIDE, record)).astype(int)
        fast = pixels(path, Recipe(SIDE, record, "fast")).astype(int)
        assert exact.shape == fast.shape == (SIDE, SIDE, 3)
        assert np.abs(exact - fast).mean() < 5.0, path


def upright(path: Path) -> Image.Image:
    with read_bytes(path) as image:
        layered = ImageOps.exif_transpose(image).convert("RGBA")
    white = Image.new("RGBA", layered.size, "white")
    white.alpha_composite(layered)
    return white.convert("RGB")


def test_the_fast_way_pads_the_same_pixels(pictures: list[Path]) -> None:
    for path in pictures[-12:]:
        exact, fast = (pixels(path, Recipe(SIDE, OPPAI, decode)) for decode in DECODES)
        assert exact.shape == fast.shape == (SIDE, SIDE, 4)
        np.testing.assert_array_equal(exact[..., 3], fast[..., 3])
        assert (exact[exact[..., 3] == 255][:, :3] == 114).all()
        assert np.abs(exact.astype(int) - fast).mean() < 5.0, path
        whole, reduced = (pixels(path, Recipe(SIDE, PIXAI_1, decode)) for decode in DECODES)
        assert whole.dtype == reduced.dtype == np.float32
        assert np.abs(whole - reduced).mean() < 5.0, path


def test_a_stretched_picture_is_scaled_each_way(pictures: list[Path]) -> None:
    for path in pictures[::17]:
        wanted = upright(path).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        if read_bytes(path).mode != "I;16":
            np.testing.assert_array_equal(pixels(path, Recipe(SIDE, PIXAI)), np.asarray(wanted))


def test_a_letterboxed_picture_is_scaled_before_it_is_padded(tmp_path: Path) -> None:
    path = tmp_path / "wide.png"
    Image.new("RGB", (300, 100), (10, 20, 30)).save(path)
    found = pixels(path, Recipe(90, CAMIE))
    assert (found[30:60] == (10, 20, 30)).all()
    assert (found[:30] == (124, 116, 104)).all()
    assert (found[60:] == (124, 116, 104)).all()


@pytest.mark.parametrize(("size", "shape"), [((300, 100), (48, 144)), ((101, 250), (116, 48))])
def test_keeping_the_shape_rounds_down_to_the_multiple(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int]
) -> None:
    path = tmp_path / "picture.png"
    Image.new("RGB", size, (9, 9, 9)).save(path)
    record = Record(fit="short", kernel="bilinear")
    assert pixels(path, Recipe(48, record)).shape == (*shape, 3)
    assert pixels(path, Recipe(48, record, "fast")).shape == (*shape, 3)
