import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from prep.errors import UnreadableError
from prep.images.buckets import Buckets, Fit
from prep.images.crops import Rect
from prep.images.pixels import fitted
from prep.images.quality import exposure
from prep.images.quality.blockiness import blockiness
from prep.images.quality.kinds import KINDS, Values, explain
from prep.images.quality.measures import measure
from prep.images.quality.noise import noise
from prep.images.quality.sharpness import blur
from prep.images.quality.text import text
from prep.images.quality.thresholds import QualitySection
from tests.prep.pictures import scene

Grey = NDArray[np.float32]
LIMITS = QualitySection()
BUCKETS = Buckets((256, 256), 64, 128, 512)


def grey(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L"), np.float32)


def whole(image: Image.Image) -> Fit:
    return Fit(image.size, image.size, 0, 0, 1.0)


@given(st.integers(0, 20), st.floats(0.8, 3.0))
@settings(max_examples=15, deadline=None)
def test_blur_grows_with_the_width_of_a_blur(seed: int, width: float) -> None:
    picture = grey(scene(seed))
    first, second = (
        blur(cv2.GaussianBlur(picture, (0, 0), sigma)) for sigma in (width, width + 0.7)
    )
    assert blur(picture) < first < second
    assert first == pytest.approx(width, abs=0.8)


def test_blur_does_not_depend_on_how_much_there_is_to_see() -> None:
    plain = Image.new("L", (256, 256), 200)
    ImageDraw.Draw(plain).rectangle((60, 60, 190, 190), fill=40)
    soft = cv2.GaussianBlur(grey(plain), (0, 0), 2.0)
    busy = cv2.GaussianBlur(grey(scene(3)), (0, 0), 2.0)
    assert blur(soft) == pytest.approx(blur(busy), abs=0.4)
    # A soft background behind a sharp subject is no fault, and nothing at all is not blurred.
    half = np.concatenate([soft[:, :128], grey(plain)[:, 128:]], 1)
    assert blur(half) < LIMITS.blur < blur(soft)
    assert blur(np.full((64, 64), 99, np.float32)) == 0.0


@given(st.integers(0, 20), st.floats(3.0, 12.0))
@settings(max_examples=15, deadline=None)
def test_noise_is_measured_in_levels(seed: int, deviation: float) -> None:
    picture = grey(scene(seed)) * 0.6 + 50
    rng = np.random.default_rng(seed)
    grainy = picture + rng.normal(0, deviation, picture.shape).astype(np.float32)
    assert noise(picture) < 0.5
    assert noise(grainy) == pytest.approx(deviation, rel=0.2)


def test_texture_is_no_noise() -> None:
    rng = np.random.default_rng(0)
    picture = np.full((256, 256), 128, np.float32)
    picture[:, :160] += rng.normal(0, 30, (256, 160)).astype(np.float32)
    assert noise(picture) < 1
    assert noise(np.full((256, 256), 255, np.float32)) == 0.0


def saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("scale", [0.6, 1.0, 1.5])
def test_blocks_are_found_where_scaling_and_cutting_put_them(seed: int, scale: float) -> None:
    picture = scene(seed, (480, 360))
    size = (round(480 * scale), round(360 * scale))
    fit = Fit((size[0] - 10, size[1] - 6), size, 5, 3, scale)

    def value(image: Image.Image) -> float:
        return blockiness(grey(Image.fromarray(fitted(image, fit))), fit)

    poor = value(saved(picture, 10))
    assert value(picture) < 0.4
    assert value(saved(picture, 95)) < 0.5
    assert poor > LIMITS.blocks
    # Cropped and saved without loss afterwards, it keeps its blocks.
    moved = saved(picture, 10).crop((3, 5, 480, 360))
    again = whole(moved)
    assert blockiness(grey(moved), again) > LIMITS.blocks


def test_blocks_that_are_scaled_away_do_not_count() -> None:
    fit = Fit((96, 72), (96, 72), 0, 0, 0.2)
    picture = saved(scene(1, (480, 360)), 10)
    assert blockiness(grey(Image.fromarray(fitted(picture, fit))), fit) == 0.0


def test_pixel_art_has_a_grid_of_its_own() -> None:
    # Its edges lie on the grid; those of a photograph in JPEG blocks do not.
    small = scene(1, (60, 45)).quantize(12).convert("RGB")
    art = small.resize((480, 360), Image.Resampling.NEAREST)
    fit = whole(art)
    assert blockiness(grey(art), fit) < LIMITS.blocks
    assert blockiness(grey(saved(scene(1, (480, 360)), 10)), fit) > LIMITS.blocks


def test_exposure() -> None:
    picture = grey(scene(5))
    everywhere = np.ones(picture.shape, np.uint8)
    assert exposure.brightest(picture * 0.15) < LIMITS.dark < exposure.brightest(picture)
    assert exposure.contrast(picture * 0.15 + 100) < LIMITS.flat < exposure.contrast(picture)
    # A ramp that runs into white is burnt out; paper with a drawing on it is not.
    ramp = np.clip(np.tile(np.linspace(0, 500, 320, dtype=np.float32), (240, 1)), 0, 255)
    assert exposure.clipped(ramp, everywhere) == pytest.approx(0.49, abs=0.03)
    assert exposure.clipped(255 - ramp, everywhere) == pytest.approx(0.49, abs=0.03)
    paper = Image.new("L", (320, 240), 255)
    ImageDraw.Draw(paper).ellipse((60, 40, 260, 200), fill=130, outline=0, width=4)
    assert exposure.clipped(grey(paper), everywhere) == 0.0
    assert exposure.clipped(ramp, 0 * everywhere) == 0.0


@pytest.mark.parametrize("times", [1, 4])
def test_silhouettes_are_not_clipped_however_soft_they_are(times: int) -> None:
    """Enlarged, or saved as JPEG, they fade a little into their paper, as burnt areas do."""
    size = (480 // times, 360 // times)
    shape = Image.new("L", size, 255)
    box = tuple(side // 4 for side in size)
    ImageDraw.Draw(shape).ellipse((*box, 3 * box[0], 3 * box[1]), fill=0)
    picture = saved(shape.resize((480, 360), Image.Resampling.BICUBIC).convert("RGB"), 60)
    levels = grey(picture)
    softness = blur(levels)
    assert exposure.clipped(levels, np.ones(levels.shape, np.uint8), softness) == 0.0


WORDS = ["the quick brown fox", "jumps over lazy dogs", "and sleeps well", "WINTER 1984 Road"]


def lettered(image: Image.Image, lines: int, size: int) -> Image.Image:
    made = image.copy()
    pen = ImageDraw.Draw(made)
    font = ImageFont.load_default(size)
    for line in range(lines):
        place = (20, 20 + line * (size + 12))
        pen.text(place, WORDS[line % 4], "white", font, stroke_width=2, stroke_fill="black")
    return made


def test_a_page_of_small_text_is_found(tmp_path: Path) -> None:
    page = Image.new("RGB", (512, 512), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(10)
    for top in range(20, 490, 14):
        pen.text((24, top), " ".join(WORDS[(top + n) % 4] for n in range(4)), "black", font)
    file = tmp_path / "page.png"
    page.save(file)
    fit = BUCKETS.fit(page.size)
    values = measure(file, page.size, Rect(0, 0, 512, 512), fit, alpha=False)
    assert text(fitted(page.convert("L"), fit)) < LIMITS.text < values["text"]


@pytest.mark.parametrize("seed", range(4))
def test_text_is_found_and_nothing_else(seed: int) -> None:
    picture = scene(seed, (400, 320))
    pen = ImageDraw.Draw(picture)
    for x in range(30, 370, 12):  # a fence is no word
        pen.rectangle((x, 250, x + 5, 300), fill=(90, 60, 30))
    clean = text(np.asarray(picture.convert("L")))
    written = text(np.asarray(lettered(picture, 3, 22).convert("L")))
    assert clean < LIMITS.text / 2
    assert written > 2 * LIMITS.text
    down = lettered(picture, 3, 22).transpose(Image.Transpose.ROTATE_90)
    assert text(np.asarray(down.convert("L"))) > LIMITS.text


def measured(file: Path, **kwargs: bool) -> Values:
    with Image.open(file) as image:
        size = image.size
    fit = BUCKETS.fit(size)
    return measure(file, size, Rect(0, 0, *size), fit, alpha=kwargs.get("alpha", False))


def beyond(values: Values) -> set[str]:
    return {n for n, value in values.items() if KINDS[n].beyond(value, getattr(LIMITS, n))}


def test_all_measures_of_one_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    scene(2).save(file)
    assert not beyond(measured(file))
    scene(2).resize((100, 75)).save(file)
    assert beyond(measured(file)) >= {"upscale"}
    framed = Image.new("RGB", (320, 300))
    framed.paste(scene(2), (0, 30))
    framed.save(file)
    assert "borders" in beyond(measured(file))
    assert measured(file)["borders"] == pytest.approx(0.2, abs=0.02)
    hidden = scene(2).convert("RGBA")
    hidden.putalpha(0)
    hidden.paste(scene(2).crop((0, 0, 40, 40)), (100, 100))
    hidden.save(file)
    values = measured(file, alpha=True)
    share = 1600 / (320 * 240) / (1 - BUCKETS.fit((320, 240)).cut)
    assert values["alpha"] == pytest.approx(share, rel=0.1)
    assert "alpha" in beyond(values)
    Image.new("RGB", (300, 300), "white").save(file)
    assert beyond(measured(file)) == {"flat"}


def test_a_file_that_has_changed_is_not_measured(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    scene(2).save(file)
    with pytest.raises(UnreadableError, match="changed since"):
        measure(file, (9, 9), Rect(0, 0, 9, 9), BUCKETS.fit((9, 9)), alpha=False)


def test_an_enlargement_that_does_not_show_is_never_a_finding() -> None:
    upscale = KINDS["upscale"]
    assert not upscale.beyond(1.09, 1.0)
    assert upscale.severity(1.09, 1.0) < 1
    assert upscale.beyond(1.2, 1.0)
    assert not upscale.beyond(1.2, 1.25)
    assert "enlarged 1.2 times" in explain("upscale", 1.2, (512, 512))
    assert "1.0" not in explain("upscale", 1.04, (512, 512))


def test_every_measure_has_a_threshold_and_is_explained() -> None:
    assert list(KINDS) == [name for name in QualitySection.model_fields if name != "skip"]
    for name, kind in KINDS.items():
        text_ = explain(name, 0.5, (512, 768))
        assert "{" not in text_
        limit = getattr(LIMITS, name)
        worse, better = (0.5 * limit, 2 * limit) if kind.low else (2 * limit, 0.5 * limit)
        assert kind.beyond(worse, limit)
        assert not kind.beyond(better, limit)
        assert kind.severity(worse, limit) > 1 > kind.severity(better, limit)
