"""Scores are stored once and cut afterwards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset.index import Index
from prep.project import Project
from prep.tagging.models.obtain import TagTable
from prep.tagging.scores.store import ScoreStore, TaggerResult, Thresholds
from tests.prep.tagging.in_memory import results

TABLE = TagTable(
    ("general", "sensitive", "long_hair", "hat", "smile", "mochi", "other"),
    (9, 9, 0, 0, 0, 4, 3),
)


def scored(*rows: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array(rows, np.float32)


def test_each_category_has_its_threshold_and_the_threshold_itself_counts() -> None:
    scores = scored([0.6, 0.4, 0.35, 0.34, 0.9, 0.84, 0.5], [0.1, 0.2, 0, 0, 0, 0.85, 0])
    first, second = results(scores, TABLE, Thresholds(0.35, 0.85))
    assert first.rating == "general"
    assert [name for name, _ in first.tags] == ["smile", "other", "long_hair"]
    assert second == TaggerResult("sensitive", [("mochi", 0.8501)])  # as float16 keeps it


def test_a_score_kept_as_float16_still_equals_its_threshold() -> None:
    kept = scored([0, 0, 0.9, 0.3, 0, 0, 0]).astype(np.float16)  # 0.9 is kept as 0.8999
    (seen,) = results(kept, TABLE, Thresholds(general=0.9))
    assert [name for name, _ in seen.tags] == ["long_hair"]


def test_order_is_by_score_or_by_table_and_ties_keep_the_table() -> None:
    scores = scored([0, 0, 0.5, 0.9, 0.5, 0.95, 0])
    (best,) = results(scores, TABLE, Thresholds())
    (table,) = results(scores, TABLE, Thresholds(), "table")
    assert [name for name, _ in best.tags] == ["mochi", "hat", "long_hair", "smile"]
    assert [name for name, _ in table.tags] == ["long_hair", "hat", "smile", "mochi"]


def test_no_ratings_no_images_and_no_tags_are_fine() -> None:
    bare = TagTable(("a",), (0,))
    assert results(scored([0.1]), bare, Thresholds()) == [TaggerResult("", [])]
    assert results(np.empty((0, 1), np.float32), bare, Thresholds()) == []
    assert results(np.empty((0, 7), np.float32), TABLE, Thresholds()) == []


def test_mcut_cuts_each_image_at_its_widest_gap() -> None:
    scores = scored(
        [0.9, 0.8, 0.9, 0.3, 0.2, 0.16, 0.85],  # general: 0.9 0.85 | 0.3 0.2
        [0.9, 0.8, 0.1, 0.2, 0.3, 0.14, 0.0],  # general: 0.3 0.2 0.1 0.0 all equally far apart
    )
    first, second = results(scores, TABLE, Thresholds(mcut=True))
    assert [name for name, _ in first.tags] == ["long_hair", "other", "mochi"]
    assert "mochi" not in dict(second.tags)
    assert {first.rating, second.rating} == {"general"}
    assert str(Thresholds(mcut=True)) == "mcut"
    assert results(np.empty((0, 7), np.float32), TABLE, Thresholds(mcut=True)) == []


@given(
    st.lists(st.lists(st.floats(0, 1, width=16), min_size=7, max_size=7), min_size=1, max_size=5),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_the_vectors_agree_with_a_plain_loop(
    rows: list[list[float]], general: float, character: float
) -> None:
    found = results(scored(*rows), TABLE, Thresholds(general, character))
    limits = {4: float(np.float16(character)), 9: 2.0}
    for row, seen in zip(rows, found, strict=True):
        expected = [
            (name, round(score, 4))
            for name, category, score in zip(TABLE.names, TABLE.categories, row, strict=True)
            if score >= limits.get(category, float(np.float16(general)))
        ]
        by_name = dict(expected)
        assert dict(seen.tags) == by_name
        shown = [row[TABLE.names.index(name)] for name, _ in seen.tags]
        assert shown == sorted(shown, reverse=True)
        assert seen.rating == ("general" if row[0] >= row[1] else "sensitive")


def test_scores_come_back_in_the_order_asked_for(project: Project) -> None:
    rng = np.random.default_rng(4)
    contents = [f"{number:032x}" for number in range(1200)]
    scores = rng.random((1200, len(TABLE)), np.float32)
    with Index(project) as index:
        ScoreStore(index, "k", TABLE).put(zip(contents, scores, strict=True))
    with Index(project) as index:
        store = ScoreStore(index, "k", TABLE)
        assert store.known() == set(contents)
        wanted = [contents[n] for n in (1199, 3, 3, 700)]
        found = store.load(wanted)
        assert found.dtype == np.float16
        np.testing.assert_array_equal(found, scores[[1199, 3, 3, 700]].astype(np.float16))
        assert store.load([]).shape == (0, len(TABLE))
        with pytest.raises(KeyError):
            store.load(["unknown"])


def test_taggers_do_not_share_scores_and_putting_again_replaces(project: Project) -> None:
    with Index(project) as index:
        first, second = ScoreStore(index, "first", TABLE), ScoreStore(index, "second", TABLE)
        first.put([("c", np.zeros(7, np.float32))])
        first.put([("c", np.ones(7, np.float32))])
        assert second.known() == set()
        assert first.load(["c"]).tolist() == [[1.0] * 7]
        again = ScoreStore(index, "first", TABLE)
        assert again.known() == {"c"}
