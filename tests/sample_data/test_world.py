"""The drawing program: the same every time, and its tags are true."""

import dataclasses
import random

import numpy as np
import pytest

from sample_data.make.captions import caption
from sample_data.make.tag_table import CHARACTER, GENERAL, RATINGS, rows, targets
from sample_data.make.world import (
    MASCOT,
    NAMED,
    POSES,
    Character,
    Scene,
    character_tag,
    draw,
    draw_cutout,
    resembles_mascot,
    sample_scene,
    tags,
)

CAT = Character("cat", "red", "star_mark")


def changed_share(a: Scene, b: Scene) -> float:
    """How many pixels differ clearly at 64 px."""
    left, right = (np.asarray(draw(s, (64, 64)), np.int16) for s in (a, b))
    return float((np.abs(left - right).max(axis=2) > 40).mean())


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (160, 96), (300, 200)])
def test_same_seed_same_drawing(size: tuple[int, int]) -> None:
    first, second = (sample_scene(random.Random(7)) for _ in range(2))
    assert first == second
    picture = draw(first, size)
    assert picture.size == size
    assert picture.tobytes() == draw(second, size).tobytes()


def test_tags_name_what_the_scene_holds() -> None:
    scene = Scene(CAT, ":d", "beach", "sitting", "straw_hat", "fish", "scarf")
    assert set(tags(scene)) == {
        *("solo", "no_humans", "cat", "red_body", "star_mark", "straw_hat", "hat", ":d"),
        *("open_mouth", "fish", "holding", "scarf", "sitting", "full_body", "beach", "outdoors"),
    }


def test_no_tag_is_named_twice_and_all_are_in_the_table() -> None:
    known = {row.name for row in rows()}
    rng = random.Random(3)
    for _ in range(300):
        found = tags(sample_scene(rng))
        assert len(found) == len(set(found))
        assert known.issuperset(found)


@pytest.mark.parametrize(
    "change",
    [
        {"hat": "crown"},
        {"held": "balloon"},
        {"neckwear": "bowtie"},
        {"expression": "crying"},
        {"pose": "jumping"},
        {"character": Character("cat", "red", None)},
        {"character": Character("cat", "blue", "star_mark")},
        {"character": Character("rabbit", "red", "star_mark")},
        {"background": "snow"},
    ],
)
def test_every_trait_shows_at_64_px(change: dict[str, object]) -> None:
    plain = Scene(CAT)
    assert changed_share(plain, dataclasses.replace(plain, **change)) > 0.006  # type: ignore[arg-type]


@pytest.mark.parametrize("pose", POSES)
@pytest.mark.parametrize("size", [(128, 128), (96, 144), (144, 96)])
def test_the_mark_is_inside_the_canvas(pose: str, size: tuple[int, int]) -> None:
    marked, plain = (Character("cat", "red", mark) for mark in ("star_mark", None))
    images = [np.asarray(draw(Scene(who, pose=pose, shift=1.0), size)) for who in (marked, plain)]
    different = np.argwhere((images[0] != images[1]).any(axis=2))
    assert len(different) > 60
    assert different[:, 0].max() < size[1] - 1


def test_named_characters_are_recognised_by_their_looks() -> None:
    for who, name in NAMED.items():
        assert character_tag(Scene(who)) == name
    assert character_tag(Scene(MASCOT)) is None


def test_mascot_is_held_out_by_pairs() -> None:
    assert resembles_mascot(MASCOT)
    assert resembles_mascot(Character("bear", "green", None))
    assert resembles_mascot(Character("bear", "red", "star_mark"))
    assert not resembles_mascot(Character("bear", "red", "heart_mark"))
    assert not resembles_mascot(Character("cat", "green", "star_mark"))


def test_table_is_ordered_like_wd_v3() -> None:
    table = rows()
    assert tuple(row.name for row in table[:4]) == RATINGS
    assert [row.category for row in table] == sorted(
        (row.category for row in table), key=[9, 0, 4].index
    )
    for category in (GENERAL, CHARACTER):
        counts = [row.count for row in table if row.category == category]
        assert counts == sorted(counts, reverse=True)
        assert min(counts) > 0


def test_targets_mark_exactly_the_true_tags() -> None:
    table = rows()
    scene = Scene(next(iter(NAMED)))
    wanted = targets(scene, table)
    marked = {row.name for row, value in zip(table, wanted, strict=True) if value}
    assert marked == {"general", *tags(scene), "kuro_(shikomi)"}


def test_captions_are_spoken_tags_and_sometimes_empty() -> None:
    rng = random.Random(5)
    scene = Scene(CAT, "^_^", hat="straw_hat")
    texts = [caption(scene, rng) for _ in range(400)]
    words = {word for text in texts for word in text.split(", ")}
    assert {"straw hat", "^_^", "red body", "star mark"} <= words
    assert 15 < sum(not text for text in texts) < 90


def test_cutout_is_transparent_around_the_figure() -> None:
    alpha = np.asarray(draw_cutout(Scene(CAT), (128, 128)))[:, :, 3]
    assert alpha[0, 0] == 0
    assert alpha.max() == 255
