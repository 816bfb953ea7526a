import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from prep.images.quality.letters import letters
from prep.images.quality.lines import FEATURES, lines
from prep.images.quality.text import candidates, text
from prep.images.quality.thresholds import QualitySection
from tests.prep.pictures import scene

LIMIT = QualitySection().text
Drawing = Callable[[ImageDraw.ImageDraw, random.Random], None]
WORDS = ["the quick brown fox", "jumps over lazy dogs", "and sleeps well", "WINTER 1984 Road"]


def share(image: Image.Image) -> float:
    return text(np.asarray(image.convert("L")))


def tone(rng: random.Random, low: int, high: int) -> tuple[int, int, int]:
    level = rng.randint(low, high)
    return (level, level - rng.randint(0, 20), level - rng.randint(0, 30))


def windows(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """A house front: rows of windows with frames and panes, some of them lit."""
    pen.rectangle((0, 0, 512, 512), tone(rng, 150, 220))
    for top in range(30, 480, 70):
        for left in range(20, 490, 44):
            pen.rectangle((left, top, left + 24, top + 40), tone(rng, 40, 90), "white", 2)
            pen.line((left + 12, top, left + 12, top + 40), "white", 2)
            pen.line((left, top + 16, left + 24, top + 16), "white", 2)


def bookshelves(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Spines of unlike width, height and tone, side by side on boards."""
    pen.rectangle((0, 0, 512, 512), tone(rng, 60, 90))
    for bottom in range(80, 512, 85):
        x = 8
        while x < 490:
            width, height = rng.randint(6, 16), rng.randint(45, 70)
            pen.rectangle((x, bottom - height, x + width, bottom), tone(rng, 60, 230), (30, 20, 10))
            pen.line((x + 2, bottom - height + 8, x + width - 2, bottom - height + 8), "gold")
            x += width + rng.choice((1, 1, 2, 6))
        pen.rectangle((0, bottom, 512, bottom + 8), tone(rng, 90, 120))


def fence(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    pen.rectangle((0, 0, 512, 512), tone(rng, 120, 200))
    for x in range(5, 505, rng.randint(11, 15)):
        pen.polygon(
            [(x, 480), (x, 200), (x + 4, 190), (x + 8, 200), (x + 8, 480)], "white", "black"
        )
    pen.rectangle((0, 260, 512, 270), "white", "black")


def tiles(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    for top in range(0, 512, 20):
        for left in range(-(top // 20 % 2) * 14, 512, 28):
            pen.rectangle((left + 1, top + 1, left + 26, top + 18), tone(rng, 110, 190))


def lace(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Rings with holes and loops, in rows, as of mail or embroidery."""
    pen.rectangle((0, 0, 512, 512), tone(rng, 60, 110))
    for top in range(10, 500, 24):
        for left in range(6, 500, 21):
            x, y = left + rng.randint(-1, 1), top + rng.randint(-1, 1)
            pen.ellipse((x, y, x + 17, y + 19), None, tone(rng, 150, 230), 2)


def foliage(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    pen.rectangle((0, 0, 512, 512), (40, 70, 40))
    for _ in range(3500):
        x, y = rng.randint(0, 512), rng.randint(0, 512)
        width, height = rng.randint(4, 18), rng.randint(4, 18)
        level = rng.randint(40, 220)
        pen.ellipse((x, y, x + width, y + height), (level // 2, level, level // 3))


def lecture_hall(pen: ImageDraw.ImageDraw, rng: random.Random) -> None:
    """Rows of desks and chairs that grow towards the viewer."""
    pen.rectangle((0, 0, 512, 512), tone(rng, 170, 220))
    top = 120.0
    while top < 500:
        size = (top - 60) / 9
        x = -rng.random() * size
        while x < 512:
            pen.rounded_rectangle((x, top, x + size, top + 0.9 * size), 3, tone(rng, 60, 110))
            pen.line((x + size / 2, top + size, x + size / 2, top + 1.5 * size), "black", 2)
            x += 1.4 * size
        pen.rectangle((0, top + 1.2 * size, 512, top + 1.35 * size), tone(rng, 110, 150))
        top += 2 * size


DRAWINGS = [windows, bookshelves, fence, tiles, lace, foliage, lecture_hall]


@pytest.mark.parametrize("side", [400, 1024])
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: str(drawing.__name__))
def test_what_stands_in_rows_is_no_text(drawing: Drawing, side: int) -> None:
    for seed in range(3):
        image = Image.new("RGB", (512, 512))
        drawing(ImageDraw.Draw(image), random.Random(seed))
        assert share(image.resize((side, side), Image.Resampling.LANCZOS)) < LIMIT


def write(image: Image.Image, lines: int, size: float, ink: str, edge: str | None) -> None:
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(size)
    for line in range(lines):
        place = (0.05 * image.width, 0.1 * image.height + 1.4 * line * size)
        outline = 0 if edge is None else max(1, round(size / 12))
        pen.text(place, WORDS[line % 4], ink, font, stroke_width=outline, stroke_fill=edge)


@pytest.mark.parametrize("side", [512, 1024])
@pytest.mark.parametrize("ink", [("white", "black"), ("black", "white"), ("#ffe04a", "black")])
@pytest.mark.parametrize("drawing", DRAWINGS, ids=lambda drawing: str(drawing.__name__))
def test_two_lines_are_found_on_anything(drawing: Drawing, ink: tuple[str, str], side: int) -> None:
    image = Image.new("RGB", (512, 512))
    drawing(ImageDraw.Draw(image), random.Random(7))
    image = image.resize((side, side), Image.Resampling.BICUBIC)
    write(image, 2, side / 13, *ink)
    assert share(image) > LIMIT


@given(
    st.integers(0, 20),
    st.floats(1 / 26, 1 / 10),
    st.sampled_from([("white", "black"), ("black", "white"), ("#203060", "white")]),
)
@settings(max_examples=20, deadline=None)
def test_text_is_found_across_and_down(seed: int, size: float, ink: tuple[str, str]) -> None:
    image = scene(seed, (512, 512))
    assert share(image) < LIMIT / 2
    write(image, 4, 512 * size, *ink)
    assert share(image) > LIMIT
    assert share(image.transpose(Image.Transpose.ROTATE_90)) > LIMIT


def test_what_is_covered_grows_with_the_lines() -> None:
    shares = []
    for number in range(4):
        image = scene(1, (512, 512))
        write(image, number, 30, "white", "black")
        shares.append(share(image))
    assert shares[0] == 0
    assert shares[1] < shares[2] < shares[3]
    # Four words of about fifteen pixels a letter.
    assert shares[3] == pytest.approx(3 * 300 * 28 / 512**2, rel=0.3)


def test_large_letters_are_found_in_large_pictures() -> None:
    image = Image.new("RGB", (1024, 1024), (90, 120, 90))
    ImageDraw.Draw(image).text((40, 300), "Winter Road", "white", ImageFont.load_default(170))
    assert share(image) > 0.1


def test_letters_are_described() -> None:
    picture = Image.new("L", (200, 200), 200)
    pen = ImageDraw.Draw(picture)
    pen.rectangle((20, 30, 40, 59), outline=40, width=4)  # O
    pen.rectangle((60, 30, 80, 59), outline=40, width=6)  # a bold one
    dark, _ = letters(np.asarray(picture), 5)
    assert sorted(dark.left.tolist()) == [20, 60]
    assert dark.top.tolist() == [30, 30]
    assert dark.width.tolist() == [21, 21]
    assert dark.height.tolist() == [30, 30]
    assert dark.stroke == pytest.approx([4, 6], abs=1)
    assert dark.ink == pytest.approx([40, 40])
    assert dark.paper == pytest.approx([200, 200])
    assert dark.step == pytest.approx([160, 160])
    assert dark.ink_spread == pytest.approx([0, 0], abs=1e-6)
    assert dark.zones[0][4] == 0
    assert dark.zones[0][[0, 2, 6, 8]].min() > 0.7
    turned = dark.turned()
    assert turned.left.tolist() == [30, 30]
    assert turned.height.tolist() == [21, 21]


def test_a_line_is_described() -> None:
    picture = Image.new("L", (300, 160), 210)
    pen = ImageDraw.Draw(picture)
    for number in range(6):  # equal rings: nothing differs
        left = 20 + 30 * number
        pen.rectangle((left, 20, left + 20, 49), outline=60, width=4)
    dark, _ = letters(np.asarray(picture), 5)
    found = lines(dark)
    assert found.boxes.tolist() == [[20, 20, 191, 50]]
    assert found.size.tolist() == [30]
    facts = dict(zip(FEATURES, found.features[0].tolist(), strict=True))
    assert facts["width"] == pytest.approx(np.log(21 / 30))
    assert facts["contrast"] == pytest.approx(np.log(96))  # more does not count
    assert facts["crisp"] == pytest.approx(1)
    assert facts["twins"] == pytest.approx(5 / 6)  # the last one has none behind it
    for name in ("widths_differ", "inks_differ", "ink_uneven", "paper_uneven", "slope"):
        assert facts[name] == pytest.approx(0, abs=1e-6)
    assert not len(lines(letters(np.asarray(picture.crop((0, 0, 105, 160))), 5)[0]))  # three


def test_plain_pictures_have_no_candidates() -> None:
    for found in candidates(np.full((64, 96), 128, np.uint8)):
        assert found.boxes.shape == (0, 4)
        assert found.features.shape == (0, len(FEATURES))
    assert text(np.zeros((1, 1), np.uint8)) == 0.0
