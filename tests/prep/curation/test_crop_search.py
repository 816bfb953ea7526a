"""The search for crops: candidates by shared patches, and what is remembered of pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.curation.duplicates import votes
from prep.curation.duplicates.compared import OverlapStore
from prep.curation.duplicates.overlaps import Overlap, OverlapBox
from prep.curation.duplicates.patches import Patches
from prep.dataset.index import Index
from prep.project import Project

RNG = np.random.default_rng(5)
KIND = np.dtype([("x", "<f4"), ("y", "<f4"), ("angle", "<f4"), ("bits", "u1", (32,))])


def some(count: int, angle: float = 10.0) -> Patches:
    """Patches that are like no others."""
    made = np.zeros(count, KIND)
    made["angle"] = angle
    made["bits"] = RNG.integers(0, 256, (count, 32))
    return made


def near(patches: Patches, bits: int, turned: float = 0.0) -> Patches:
    """The same patches, each with so many of its bits flipped."""
    made = patches.copy()
    made["angle"] += turned
    for patch in made:
        for bit in RNG.choice(256, bits, replace=False):
            patch["bits"][bit >> 3] ^= 1 << (bit & 7)
    return made


def test_pictures_that_share_patches_are_candidates() -> None:
    one, other = some(100), some(100)
    pictures = [one, other, np.concatenate((near(other[:50], 8), some(50))), near(one, 8)]
    assert votes.candidates(pictures) == [(0, 3), (1, 2)]


def test_a_few_shared_patches_are_chance() -> None:
    one = some(100)
    assert votes.candidates([one, np.concatenate((one[:4], some(96)))]) == []
    assert votes.candidates([one, np.concatenate((one[:5], some(95)))]) == [(0, 1)]


def test_patches_of_one_picture_do_not_vote_for_it() -> None:
    one = some(20)
    assert votes.candidates([np.concatenate((one, one)), some(20)]) == []


def test_turned_and_unlike_patches_do_not_count() -> None:
    one = some(100)
    assert votes.candidates([one, near(one, 0, turned=30.0)]) == []
    assert votes.candidates([one, near(one, 0, turned=345.0)]) == [(0, 1)]
    half_alike = one.copy()
    half_alike["bits"][:, :16] ^= 0xFF
    assert votes.candidates([one, half_alike]) == []


def test_what_many_pictures_have_is_no_mark_of_any() -> None:
    logo = some(10)
    pictures = [np.concatenate((logo, some(20))) for _ in range(50)]
    pictures.append(np.concatenate((pictures[7][10:], some(10))))
    assert votes.candidates(pictures) == [(7, 50)]


def test_each_picture_keeps_its_best_few() -> None:
    one = some(100)
    pictures = [near(one, 6) for _ in range(30)]
    found = votes.candidates(pictures)
    assert len(found) < 30 * 29 // 2
    for number in range(len(pictures)):
        assert sum(number in pair for pair in found) >= 12


@pytest.mark.parametrize("pictures", [[], [some(0)], [some(0), some(0)], [some(5)]])
def test_nothing_to_find(pictures: list[Patches]) -> None:
    assert votes.candidates(pictures) == []


@given(st.lists(st.lists(st.integers(0, 30), max_size=60), max_size=9))
def test_counting_in_parts_is_counting(parts: list[list[int]]) -> None:
    patience = votes._AT_ONCE
    try:
        votes._AT_ONCE = 50
        count = votes._Count()
        for part in parts:
            count.add(np.array(part, np.int64))
        codes, counts = count.result()
    finally:
        votes._AT_ONCE = patience
    everything = [code for part in parts for code in part]
    assert dict(zip(codes.tolist(), counts.tolist(), strict=True)) == {
        code: everything.count(code) for code in everything
    }


def test_what_pairs_have_in_common_is_remembered_from_both_sides(project: Project) -> None:
    overlap = Overlap(OverlapBox(0.0, 0.25, 1.0, 0.75), OverlapBox(0.1, 0.0, 0.9, 1.0))
    with Index(project) as index:
        OverlapStore(index).put([("a", "b", overlap), ("d", "c", overlap), ("a", "c", None)])
    with Index(project) as index:
        asked = {1: ("a", "b"), 2: ("b", "a"), 3: ("d", "c"), 4: ("c", "a"), 5: ("b", "c")}
        found = OverlapStore(index).of(asked)
    assert found == {1: overlap, 2: overlap.turned_round, 3: overlap, 4: None}
