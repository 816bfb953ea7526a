"""Where images are cut, the widest gap between the scores of a kind; thresholds as text."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from prep.tagging.models.tables import CHARACTER, GENERAL, TagTable
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.thresholding import limits_of, middle_of_widest_gap
from prep.tagging.scores.thresholds import LEAST_CHARACTER, Thresholds

Halves = NDArray[np.float16]

TABLE = TagTable(
    ("hat", "bow", "smile", "mochi", "momo", "miku", "rin", "len", "luka"),
    (GENERAL,) * 3 + (CHARACTER,) * 6,
)
KINDS = (slice(0, 3), slice(3, 9))
# Few different scores: many ties, and many images that are cut among low scores.
SCORE = st.sampled_from([0.0, 0.01, 0.04, 0.045, 0.08, 0.12, 0.16, 0.2, 0.5, 0.9])
MATRIX = st.lists(st.lists(SCORE, min_size=9, max_size=9), max_size=4)
FLAT = [0.5] * 3 + [0.2] * 6
LOW = [0.0, 0.0, 0.01, 0.0, 0.049, 0.09, 0.125, 0.16, 0.205]


@pytest.mark.parametrize(
    ("scores", "middle"),
    [
        ([0.9, 0.1, 0.2, 0.85], 0.525),
        ([0.125, 0.5, 0.25, 0.375], 0.1875),  # the lowest of gaps that are alike
        ([0.5, 0.5], 0.5),
        ([0.25], 0.25),
    ],
)
def test_the_middle_of_the_widest_gap(scores: list[float], middle: float) -> None:
    found = middle_of_widest_gap(np.array([scores, scores[::-1]]))
    np.testing.assert_allclose(found, [middle, middle])


@given(MATRIX)
@example([[0.9, 0.2, 0.2, *[0.9] * 6], FLAT])
@example([FLAT, LOW, FLAT])
@example([[0.9] * 9, [0.0] * 9, LOW])
def test_each_image_is_cut_for_itself(rows: list[list[float]]) -> None:
    matrix = np.array(rows, np.float16).reshape(-1, 9)
    asked: list[int] = []

    def exact(places: NDArray[np.intp]) -> Halves:
        asked.extend(places.tolist())
        return matrix[places]

    limits = limits_of(Sparse.of(matrix, TABLE), TABLE, Thresholds(mcut=True), exact)
    for scores, found in zip(matrix, limits.moving, strict=True):
        general, character = (middle_of_widest_gap(scores[None, kind])[0] for kind in KINDS)
        assert found[0] == np.float16(general)
        assert found[1] == np.float16(max(character, LEAST_CHARACTER))
    # All scores are only read of images that are cut among scores next to nothing.
    for place in asked:
        kinds = [np.sort(matrix[place, kind].astype(np.float32)) for kind in KINDS]
        assert any(
            np.diff(scores).max() < FLOOR and (n == 0 or scores[-1] >= LEAST_CHARACTER)
            for n, scores in enumerate(kinds)
        )


def test_tables_may_lack_characters_or_have_one_tag() -> None:
    for names, kinds in ((("hat", "bow"), (GENERAL,) * 2), (("hat", "momo"), (GENERAL, CHARACTER))):
        table, matrix = TagTable(names, kinds), np.array([[0.25, 0.5], [0.75, 0.5]], np.float16)
        sparse = Sparse.of(matrix, table)
        limits = limits_of(sparse, table, Thresholds(mcut=True), matrix.__getitem__)
        if CHARACTER in kinds:  # a kind of one tag is cut at its score
            assert limits.moving.tolist() == [[0.25, 0.5], [0.75, 0.5]]
        else:
            assert limits.moving[:, 0].tolist() == [0.375, 0.625]


def test_thresholds_are_written_out() -> None:
    assert str(Thresholds()) == "general 0.35, character 0.85"
    given_all = Thresholds(0.3, 0.8, categories={"artist": 0.5}, tags={"a": 0.1, "b": 0.2}, top=9)
    assert str(given_all) == (
        "general 0.3, character 0.8, artist 0.5, 2 tags with their own, best 9"
    )
    assert str(Thresholds(mcut=True, tags={"a": 0.1})) == "mcut, 1 tag with its own"


def test_the_nearest_tag_is_shown_for_an_unknown_one() -> None:
    table = TagTable(("smile", "smiles", "hat"), (GENERAL,) * 3)
    limits = Thresholds(tags={"Smiley": 0.3, "HAT": 0.3, "xyz": 0.3})
    assert limits.unknown([table]) == [("Smiley", "smile"), ("xyz", "")]
