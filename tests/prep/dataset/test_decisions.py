"""Remembered decisions as text, also as strangers may have written it."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.dataset import work_db
from prep.dataset.index import Index
from prep.dataset.journal.decisions import DecisionStore, merged, packed, unpacked
from prep.project import Project


@given(st.dictionaries(st.text(), st.frozensets(st.text())))
def test_what_is_packed_is_unpacked(decided: dict[str, frozenset[str]]) -> None:
    assert unpacked(packed(decided)) == decided


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', '{"quality": 3}', '{"quality": {"a": 1}}'])
def test_what_nobody_packed_is_no_decision(text: str) -> None:
    assert unpacked(text) == {}


def test_a_later_answer_adds_to_the_earlier() -> None:
    given_before = {"quality": frozenset({"dark"}), "cut": frozenset({"x"})}
    assert merged(given_before, "quality", {"blur"}) == {
        "quality": frozenset({"blur", "dark"}),
        "cut": frozenset({"x"}),
    }


def test_a_project_from_before_gets_the_table(project: Project) -> None:
    project.state.mkdir(exist_ok=True)
    before = next(n for n, sql in enumerate(work_db.MIGRATIONS) if "decisions" in sql)
    with closing(sqlite3.connect(project.state / "work.db")) as connection:
        connection.executescript("".join(work_db.MIGRATIONS[:before]))
        connection.execute("INSERT INTO exclusions VALUES('a.png', 'by hand')")
        connection.execute(f"PRAGMA user_version={before}")
        connection.commit()
    with Index(project) as index:
        assert DecisionStore(index).all() == {}
        index.connection.execute("SELECT 1 FROM work.exclusions WHERE path = 'a.png'").fetchone()
