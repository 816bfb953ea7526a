"""Several taggers as one, against a plain loop over taggers, images and tags."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from prep.dataset.index import Index
from prep.project import Project
from prep.tagging.models.tables import CHARACTER, GENERAL, RATING, TagTable
from prep.tagging.scores.ensemble import Combine, Ensemble, EnsembleMember, seen
from prep.tagging.scores.sparse import FLOOR, Sparse
from prep.tagging.scores.store import ScoreStore
from prep.tagging.scores.thresholds import Thresholds

Halves = NDArray[np.float16]

TABLES = (
    TagTable(
        ("safe", "bold", "hat", "bow", "mochi"), (RATING, RATING, GENERAL, GENERAL, CHARACTER)
    ),
    TagTable(
        ("bow", "Mochi", "cap", "bold", "safe"), (GENERAL, CHARACTER, GENERAL, RATING, RATING)
    ),
    TagTable(("safe", "hat", "safe"), (GENERAL, GENERAL, RATING)),
)
SCORE = st.sampled_from([0.0, 0.02, 0.05, 0.3, 0.35, 0.4, 0.85, 1.0]) | st.floats(0, 1, width=16)
LIMIT = st.sampled_from([0.0, 0.06, 0.35, 0.4, 0.85]) | st.floats(0, 1)


class Memory(ScoreStore):
    """Scores that need no database."""

    def __init__(self, matrix: Halves, table: TagTable) -> None:
        self._matrix, self._table = matrix, table
        self.asked = 0

    def load(self, contents: Sequence[str]) -> Halves:
        return self._matrix[[int(name) for name in contents]].reshape(-1, len(self._table))

    def sparse(self, contents: Sequence[str], floors: Halves | float = FLOOR) -> Sparse:
        return Sparse.of(self.load(contents), self._table, floors)

    def at(self, contents: Sequence[str], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        self.asked += len(contents)
        return self._matrix[[int(name) for name in contents], columns].astype(np.float32)

    def known(self) -> set[str]:
        return {str(n) for n in range(len(self._matrix))}


def matrices(count: int) -> st.SearchStrategy[list[Halves]]:
    return st.tuples(
        *(
            st.lists(
                st.lists(SCORE, min_size=len(table), max_size=len(table)),
                min_size=count,
                max_size=count,
            ).map(lambda rows: np.array(rows, np.float16))
            for table in TABLES
        )
    ).map(list)


def taken(
    names: Sequence[tuple[str, int]], rows: Sequence[Halves], limits: Sequence[Thresholds], how: str
) -> set[str]:
    """Return the tags of one image, decided tag by tag."""
    found = set()
    for name, category in names:
        margins = []
        for table, row, limit in zip(TABLES, rows, limits, strict=False):
            for column, (other, kind) in enumerate(zip(table.names, table.categories, strict=True)):
                if other.lower() == name and (kind == RATING) == (category == RATING):
                    least = limit.character if kind == CHARACTER else limit.general
                    margins.append(float(row[column]) - float(np.float16(least)))
        votes = sum(margin >= 0 for margin in margins)
        decided = {
            "union": votes > 0,
            "intersection": votes == len(margins),
            "vote": votes > len(margins) / 2,
            "consensus": votes > 1,
            "mean": np.float32(sum(margins)) >= 0,
        }
        if decided[how]:
            found.add(name)
    return found


@given(
    matrices(3),
    st.lists(st.builds(Thresholds, LIMIT, LIMIT), min_size=3, max_size=3),
    st.sampled_from(["union", "intersection", "vote", "mean", "consensus"]),
    st.integers(1, 3),
)
def test_taggers_decide_as_a_plain_loop_does(
    scores: list[Halves], limits: list[Thresholds], how: Combine, count: int
) -> None:
    count = max(count, 2) if how == "consensus" else count
    stores = [Memory(matrix, table) for matrix, table in zip(scores, TABLES, strict=True)]
    members = [EnsembleMember(str(n), stores[n], TABLES[n], limits[n]) for n in range(count)]
    ensemble = Ensemble(members, how)
    (portion,) = ensemble.portions(["0", "1", "2"])
    names = [("hat", 0), ("bow", 0), ("mochi", 4)]
    names += [("cap", 0)] if count > 1 else []
    names += [("safe", 0)] if count > 2 else []
    for place, one in enumerate(seen(portion)):
        rows = [matrix[place] for matrix in scores[:count]]
        wanted = taken(names, rows, limits[:count], how)
        found = {name.lower() for name, _ in one.tags}
        if how == "mean":  # a sum that is nothing but rounding may go either way
            assert all(_is_close(name, rows, limits) for name in found ^ wanted)
        else:
            assert found == wanted
        assert len(one.tags) == len(found)
        assert one.rating in ("safe", "bold")


def _is_close(name: str, rows: Sequence[Halves], limits: Sequence[Thresholds]) -> bool:
    total = 0.0
    for table, row, limit in zip(TABLES, rows, limits, strict=False):
        for column, (other, kind) in enumerate(zip(table.names, table.categories, strict=True)):
            if other.lower() == name and kind != RATING:
                least = limit.character if kind == CHARACTER else limit.general
                total += float(row[column]) - float(np.float16(least))
    return abs(total) < 1e-6


def test_tables_are_joined_by_the_keys_of_tags() -> None:
    members = [
        EnsembleMember(
            "x", Memory(np.zeros((0, len(table)), np.float16), table), table, Thresholds()
        )
        for table in TABLES
    ]
    joined = Ensemble(members).table
    assert joined.names == ("safe", "bold", "hat", "bow", "mochi", "cap", "safe")
    assert joined.categories == (9, 9, 0, 0, 4, 0, 0)


def test_ratings_are_the_mean_of_those_who_rate() -> None:
    scores = [
        np.array([[0.9, 0.2, 0, 0, 0]], np.float16),
        np.array([[0, 0, 0, 0.95, 0.1]], np.float16),
    ]
    members = [
        EnsembleMember(str(n), Memory(scores[n], TABLES[n]), TABLES[n], Thresholds())
        for n in (0, 1)
    ]
    (portion,) = Ensemble(members).portions(["0"])
    assert portion.ratings == ["bold"]  # 1.15 against 1.0


def test_only_the_mean_asks_for_scores_below_the_floor() -> None:
    scores = [
        np.array([[0, 0, 0.5, 0.02, 0]], np.float16),
        np.array([[0.5, 0, 0, 0, 0]], np.float16),
    ]
    for how, asked in (("union", 0), ("vote", 0), ("mean", 1)):
        stores = [Memory(scores[n], TABLES[n]) for n in (0, 1)]
        members = [EnsembleMember(str(n), stores[n], TABLES[n], Thresholds()) for n in (0, 1)]
        (portion,) = Ensemble(members, how).portions(["0"])  # type: ignore[arg-type]
        names = [name for name, _ in next(seen(portion)).tags]
        assert names == {"union": ["hat", "bow"], "vote": ["hat"], "mean": ["hat"]}[how]
        assert sum(store.asked for store in stores) == asked


@pytest.mark.parametrize("top", [1, 2])
def test_the_best_of_an_image_are_kept(project: Project, top: int) -> None:
    table = TagTable(("a", "b", "c"), (GENERAL,) * 3)
    with Index(project) as index:
        store = ScoreStore(index, "k", table)
        store.put([("x", np.array([0.5, 0.9, 0.5])), ("y", np.array([0.0, 0.0, 0.4]))])
        member = EnsembleMember("one", store, table, Thresholds(top=top))
        (portion,) = Ensemble([member]).portions(["x", "y", "x"])
        found = [[name for name, _ in one.tags] for one in seen(portion, top)]
    first = ["b", "a"][:top]
    assert found == [first, ["c"], first]
