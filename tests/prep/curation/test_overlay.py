"""The parts of the closer look, by property: blends, tones, alignment, what noise explains."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from prep.curation.duplicates import closer, overlay
from prep.curation.duplicates.alignment import refined
from prep.curation.duplicates.blend import explained
from prep.curation.duplicates.closer import detailed_image
from prep.curation.duplicates.differences import significance
from prep.curation.duplicates.overlay import Traits, probability
from prep.curation.duplicates.tones import in_tones_of
from prep.curation.duplicates.trees import BoostedTrees
from tests.prep.curation.duplicate_pictures import marked, photograph, sprite

COLOUR = st.tuples(*[st.integers(0, 255)] * 3)
STILL = np.eye(2, 3, dtype=np.float32)


def planes(seed: int, size: tuple[int, int] = (200, 160)) -> NDArray[np.float32]:
    """A picture as red, green and blue, shape (3, height, width)."""
    pixels = np.asarray(photograph(seed, size), np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


@settings(max_examples=60, deadline=None)
@given(COLOUR, st.floats(0.4, 1), st.integers(0, 1000))
def test_a_blend_of_one_colour_is_recognised(
    colour: tuple[int, int, int], opacity: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.uniform(0, 255, (3, 400)).astype(np.float32)
    # Half of the pixels are at the edges of strokes.
    covered = np.where(np.arange(400) % 2, opacity, opacity * rng.uniform(0, 1, 400))
    towards = np.array(colour, np.float32)[:, None] - base
    blend = explained(base, (covered * towards).astype(np.float32))
    assert blend.one > 0.97
    assert blend.opacity == pytest.approx(opacity, abs=0.08)
    whole = np.arange(400) % 2 == 1
    assert blend.at_one_opacity(whole) > 0.95
    assert blend.of_texture(whole) > 0.8


def test_other_content_is_no_blend_of_one_colour() -> None:
    rng = np.random.default_rng(1)
    base, other = rng.uniform(0, 255, (2, 3, 400)).astype(np.float32)
    blend = explained(base, other - base)
    assert blend.one < 0.9
    assert blend.of_texture(np.ones(400, np.bool_)) < 0.5


def test_two_colours_explain_text_on_a_bar() -> None:
    rng = np.random.default_rng(2)
    base = rng.uniform(40, 215, (3, 600)).astype(np.float32)
    written = np.arange(600) < 150
    change = np.where(written, 255 - base, 0.6 * (10 - base)).astype(np.float32)
    blend = explained(base, change)
    assert blend.two > 0.97 > blend.one
    assert blend.at_one_opacity(np.ones(600, np.bool_)) > 0.97


@settings(max_examples=15, deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-0.02, 0.02), st.integers(0, 5))
def test_a_mark_does_not_pull_the_alignment_along(
    across: float, down: float, scale: float, seed: int
) -> None:
    picture = photograph(seed, (320, 240))
    first = np.asarray(picture.convert("L"), np.float32)
    stamped = marked(picture, "SAMPLE", (0.1, 0.4), 0.25, (255, 255, 255, 100))
    second = np.asarray(stamped.convert("L"), np.float32)
    true = np.array(((1 + scale, 0, across), (0, 1 + scale, down)), np.float32)
    size = (320, 240)
    moved = cv2.warpAffine(second, true, size, borderMode=cv2.BORDER_REFLECT)
    found = refined(first, np.asarray(moved, np.float32), STILL)
    corners = np.array(((0, 320, 0, 320), (0, 0, 240, 240), (1, 1, 1, 1)))
    assert np.abs((found - true) @ corners).max() < 0.35


@settings(max_examples=25, deadline=None)
@given(st.floats(0.75, 1.25), st.floats(-25, 25), st.integers(0, 5))
def test_tones_are_matched_even_where_they_were_clipped(
    contrast: float, brightness: float, seed: int
) -> None:
    picture = planes(seed)
    other = (contrast * (picture - 128) + 128 + brightness).clip(0, 255).astype(np.float32)
    matched = in_tones_of(picture, other, np.ones(picture.shape[1:], np.bool_))
    assert np.abs(matched - other).mean() < 1


def test_a_rare_colour_gets_no_rule_of_its_own() -> None:
    picture = planes(1)
    other = picture.copy()
    other[:, 40:50, 40:50] = np.array((200, 20, 20), np.float32)[:, None, None]
    matched = in_tones_of(picture, other, np.ones(picture.shape[1:], np.bool_))
    assert np.abs(matched - picture).max() < 6


@pytest.mark.parametrize("shift", [0.1, 0.3, 0.5])
def test_a_small_shift_is_no_difference_and_new_content_is(shift: float) -> None:
    picture = planes(2)
    everywhere = np.ones(picture.shape[1:], np.bool_)
    move = np.array(((1, 0, shift), (0, 1, -shift)), np.float32)
    size = (picture.shape[2], picture.shape[1])
    moved = np.stack(
        [cv2.warpAffine(p, move, size, borderMode=cv2.BORDER_REFLECT) for p in picture]
    )
    assert significance(picture, moved, everywhere, everywhere)[8:-8, 8:-8].max() < closer.CHANGED
    moved[:, 60:66, 80:92] += 60
    found = significance(picture, moved, everywhere, everywhere)
    assert found[62, 85] > 2 * closer.CHANGED
    assert found[62, 130] < closer.CHANGED


def test_traits_tell_a_signature_from_an_expression() -> None:
    picture = photograph(1)
    signed = marked(picture, "M. Kowalski", (0.03, 0.03), 0.06, (25, 20, 20, 60))
    large = detailed_image(picture), detailed_image(signed)
    found = closer.difference_traits(*large, STILL)
    assert found is not None
    mark = found[1]
    assert mark is not None
    assert mark.one > 0.9
    assert mark.sign > 0.9
    assert mark.added > 0.6
    assert probability(mark) > 0.9
    faces = [detailed_image(sprite(each)) for each in ("surprised", "asleep")]
    other = closer.difference_traits(faces[0], faces[1], STILL)
    assert other is not None
    assert max(map(probability, other)) < 0.5


def shaded(picture: Image.Image, shape: str) -> Image.Image:
    """Lay a translucent disc of a fifth of the side, or a bar of 8.5 %, over a square picture."""
    side = picture.width
    layer = Image.new("RGBA", picture.size)
    pen = ImageDraw.Draw(layer)
    if shape == "disc":
        pen.ellipse((0.3 * side, 0.3 * side, 0.5 * side, 0.5 * side), (235, 240, 255, 140))
    else:
        pen.rectangle((0, 0, side, 0.085 * side), (10, 10, 10, 140))
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


@pytest.mark.parametrize(("shape", "broad"), [("disc", 0.2), ("bar", 0.085)])
def test_a_wing_is_broader_than_any_mark(shape: str, broad: float) -> None:
    picture = photograph(3, (500, 500))
    large = detailed_image(picture), detailed_image(shaded(picture, shape))
    found = closer.difference_traits(*large, STILL)
    assert found is not None
    shaded_one = found[1]
    assert shaded_one is not None
    assert shaded_one.broad == pytest.approx(broad, abs=0.015)


def test_what_is_too_broad_for_strokes_is_left_to_a_person() -> None:
    picture = photograph(1)
    signed = marked(picture, "M. Kowalski", (0.03, 0.03), 0.06, (25, 20, 20, 60))
    found = closer.difference_traits(detailed_image(picture), detailed_image(signed), STILL)
    assert found is not None
    mark = found[1]
    assert mark is not None
    assert probability(mark) >= overlay.SURE
    assert overlay.POSSIBLE <= probability(mark._replace(broad=0.12)) < overlay.SURE


def test_trees_follow_the_values_to_a_leaf(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    tree = ["one", 0.5, -2, ["edges", 1.0, 1, 3]]
    path.write_text(json.dumps({"start": -1, "trees": [tree, 0.5]}))
    model = BoostedTrees(path)
    for one, edges, total in ((0.5, 9, -2.5), (0.6, 1.0, 0.5), (0.6, 1.1, 2.5)):
        chance = model.probability({"one": one, "edges": edges})
        assert chance == pytest.approx(1 / (1 + np.exp(-total)))


def test_the_model_knows_its_traits_and_no_others() -> None:
    text = Path(overlay.__file__ or "").with_name("overlay_model.json").read_text("utf-8")
    names = {part.split('"')[0] for part in text.split('["')[1:]}
    assert names <= set(Traits._fields)
    assert {"one", "edges", "added"} <= names
