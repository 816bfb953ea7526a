"""The scores that matter give the same answers as all scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset.index import Index
from prep.project import Project
from prep.tagging.models.tables import CHARACTER, COPYRIGHT, GENERAL, RATING, TagTable
from prep.tagging.scores.ensemble import Ensemble, EnsembleMember, seen
from prep.tagging.scores.sparse import FLOOR, NONE, Sparse, groups_of
from prep.tagging.scores.store import ScoreStore, joined
from prep.tagging.scores.thresholding import middle_of_widest_gap
from prep.tagging.scores.thresholds import LEAST_CHARACTER, Thresholds
from tests.prep.tagging.in_memory import Halves, results

TABLE = TagTable(
    ("safe", "explicit", "long_hair", "hat", "smile", "bow", "mochi", "momo", "game"),
    (RATING, RATING, GENERAL, GENERAL, GENERAL, GENERAL, CHARACTER, CHARACTER, COPYRIGHT),
)
WIDTH = len(TABLE)
# Many ties, many scores around the floor, and whole images of next to nothing.
SCORE = st.sampled_from([0.0, 1e-6, 0.02, 0.049, 0.05, 0.051, 0.15, 0.35, 0.5, 1.0]) | st.floats(
    0, 1, width=16
)
LOW = st.floats(0, 0.0625, width=16)
ROW = st.lists(SCORE, min_size=WIDTH, max_size=WIDTH) | st.lists(
    LOW, min_size=WIDTH, max_size=WIDTH
)
MATRIX = st.lists(ROW, min_size=0, max_size=6).map(
    lambda rows: np.array(rows, np.float16).reshape(-1, WIDTH)
)
LIMIT = st.sampled_from([0.0, 0.01, 0.05, 0.35, 0.85, 1.0]) | st.floats(0, 1)
THRESHOLDS = st.builds(
    Thresholds,
    general=LIMIT,
    character=LIMIT,
    mcut=st.booleans(),
    categories=st.dictionaries(st.just("copyright"), LIMIT),
    tags=st.dictionaries(st.sampled_from(["Long hair", "mochi", "safe"]), LIMIT, max_size=2),
    top=st.integers(0, 4),
)


def plainly(row: Halves, thresholds: Thresholds) -> list[str]:
    """Return the tags of one image, by a plain loop over all scores."""
    groups = groups_of(TABLE)
    cuts = {}
    for group, least in ((0, 0.0), (1, LEAST_CHARACTER)):
        middle = middle_of_widest_gap(row[None, groups == group])[0]
        cuts[group] = np.float16(max(middle, least))
    own = {name.replace(" ", "_").lower(): limit for name, limit in thresholds.tags.items()}
    found = []
    for column, (name, category) in enumerate(zip(TABLE.names, TABLE.categories, strict=True)):
        if category == RATING:
            continue
        limit = thresholds.character if category == CHARACTER else thresholds.general
        if category == COPYRIGHT:
            limit = thresholds.categories.get("copyright", limit)
        wanted = cuts[int(groups[column])] if thresholds.mcut else np.float16(limit)
        if name in own:
            wanted = np.float16(own[name])
        if row[column] >= wanted:
            found.append((-float(row[column]), column, name))
    best = sorted(found)[: thresholds.top or None]
    return [name for _, _, name in best]


@given(MATRIX)
def test_what_is_packed_is_unpacked(matrix: Halves) -> None:
    sparse = Sparse.of(matrix, TABLE)
    packed = Sparse.unpacked(sparse.packed(WIDTH), WIDTH)
    for field in ("images", "rows", "columns", "values", "rests"):
        np.testing.assert_array_equal(getattr(packed, field), getattr(sparse, field))
    for row, rests in zip(matrix, sparse.rests, strict=True):
        for group in (0, 1):
            low = [x for x in row[groups_of(TABLE) == group].tolist() if x < np.float16(FLOOR)]
            assert rests[group] == max(low, default=NONE)


@given(matrix=MATRIX, thresholds=THRESHOLDS)
def test_an_ensemble_of_one_is_that_tagger(matrix: Halves, thresholds: Thresholds) -> None:
    found = results(matrix, TABLE, thresholds)
    assert len(found) == len(matrix)
    for row, one in zip(matrix, found, strict=True):
        assert [name for name, _ in one.tags] == plainly(row, thresholds)
        assert one.rating == ("safe" if row[0] >= row[1] else "explicit")


def test_scores_of_an_older_version_are_read_once(project: Project) -> None:
    rng = np.random.default_rng(3)
    matrix = rng.random((300, WIDTH)).astype(np.float16)
    contents = [f"{n:032x}" for n in range(300)]
    with Index(project) as index:
        store = ScoreStore(index, "k", TABLE)
        store.put(zip(contents, matrix, strict=True))
        index.connection.execute("DELETE FROM score_tops WHERE content > ?", (contents[40],))
        wanted = [contents[n] for n in (299, 7, 7, 41)]
        found = store.sparse(wanted)
        np.testing.assert_array_equal(
            found.bounds, Sparse.of(matrix[[299, 7, 7, 41]], TABLE).bounds
        )
        np.testing.assert_array_equal(
            found.values, Sparse.of(matrix[[299, 7, 7, 41]], TABLE).values
        )
        counted = index.connection.execute("SELECT count(*) FROM score_tops").fetchone()
        assert counted == (43,)
        low = store.sparse(wanted, 0.0)
        assert len(low.rows) == 4 * WIDTH
        with pytest.raises(KeyError):
            store.sparse(["unknown"])
        columns = np.array([0, 8, 3], np.intp)
        np.testing.assert_array_equal(
            store.at([contents[1], contents[2], contents[1]], columns),
            matrix[[1, 2, 1], columns].astype(np.float32),
        )


def test_replaced_scores_replace_those_that_matter(project: Project) -> None:
    with Index(project) as index:
        store = ScoreStore(index, "k", TABLE)
        store.put([("c", np.ones(WIDTH, np.float32))])
        store.put([("c", np.zeros(WIDTH, np.float32))])
        assert store.sparse(["c"]).columns.tolist() == [0, 1]  # ratings are always kept
        assert store.sparse(["c"]).rests.tolist() == [[0.0, 0.0]]


def test_scores_of_another_width_are_left_out(project: Project) -> None:
    with Index(project) as index:
        store = ScoreStore(index, "k", TABLE)
        store.put((name, np.ones(WIDTH, np.float32)) for name in "ab")
        index.connection.execute("UPDATE scores SET data = x'003c' WHERE content = 'a'")
        ((content, scores),) = store.each("abc")
        assert (content, scores.tolist()) == ("b", [1.0] * WIDTH)


def test_portions_joined_are_the_whole() -> None:
    matrix = np.random.default_rng(5).random((5, WIDTH)).astype(np.float16)
    whole = Sparse.of(matrix, TABLE, 0.4)
    parts = joined([Sparse.of(matrix[:2], TABLE, 0.4), Sparse.of(matrix[2:], TABLE, 0.4)])
    for field in ("images", "rows", "columns", "values", "rests"):
        np.testing.assert_array_equal(getattr(parts, field), getattr(whole, field))
    assert joined([]).images == 0
    full = Sparse.of(np.ones((1, WIDTH)), TABLE)
    assert full.rests.tolist() == [[NONE, NONE]]


def test_more_tags_than_two_bytes_count(project: Project) -> None:
    width = 70_000
    table = TagTable(tuple(f"tag_{n}" for n in range(width)), (GENERAL,) * width)
    scores = np.zeros(width, np.float32)
    scores[[3, 69_999]] = 0.9
    with Index(project) as index:
        store = ScoreStore(index, "wide", table)
        store.put([("c", scores)])
        member = EnsembleMember("wide", store, table, Thresholds())
        (portion,) = Ensemble([member]).portions(["c"])
        assert [name for name, _ in next(seen(portion)).tags] == ["tag_3", "tag_69999"]
