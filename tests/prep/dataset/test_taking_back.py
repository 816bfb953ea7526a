"""Any edit can be taken back, except where something later stands on it."""

import pytest

from prep import captions
from prep.dataset.index import Index
from prep.dataset.journal.changes import CAPTION, Change, exclusion, move
from prep.dataset.journal.edits import Edit, Journal
from prep.dataset.journal.taking_back import take_back
from prep.errors import RetryError
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage

A, B = "dataset/10_mochi/a.png", "dataset/10_mochi/b.png"


@pytest.fixture
def two(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="one")
    make_image("10_mochi/b.png", 2, caption="one")
    list(scan.run(project))
    return project


def text(project: Project, path: str) -> str | None:
    return captions.read(project.caption_file(path))


def edit_of(journal: Journal, number: int) -> Edit:
    return next(edit for edit in journal.history() if edit.id == number)


def test_an_older_edit_goes_where_nothing_later_stands_on_it(two: Project) -> None:
    with Index(two) as index:
        journal = Journal(index, "terminal application")
        first = journal.apply("two", [Change(path, CAPTION, "one", "two") for path in (A, B)])
        later = journal.apply("three", [Change(A, CAPTION, "two", "three")])
        assert edit_of(journal, first.edit).author == "terminal application"
        done = take_back(index, journal, edit_of(journal, first.edit))
        assert (text(two, A), text(two, B)) == ("three", "one")
        assert done.conflicts == [(A, f"edit {later.edit} changed it since: three")]
        journal.undo(done.edit)  # it is an edit as any other
        assert text(two, B) == "two"


def test_what_was_restored_meanwhile_can_be_taken_back(two: Project) -> None:
    with Index(two) as index:
        journal = Journal(index)
        first = journal.apply("two", [Change(A, CAPTION, "one", "two")])
        journal.apply("three", [Change(A, CAPTION, "two", "three")])
        journal.apply("two again", [Change(A, CAPTION, "three", "two")])
        assert not take_back(index, journal, edit_of(journal, first.edit)).conflicts
        assert text(two, A) == "one"


def test_exclusions_follow_the_same_rule(two: Project) -> None:
    with Index(two) as index:
        journal = Journal(index)
        first = journal.apply("out", [exclusion(A, None, "by hand"), exclusion(B, None, "by hand")])
        journal.apply("other reason", [exclusion(A, "by hand", "blurred")])
        done = take_back(index, journal, edit_of(journal, first.edit))
        assert [path for path, _ in done.conflicts] == [A]
        rows = {row.path: row.excluded for row in index.select()}
        assert rows == {A: "blurred", B: None}


def test_a_file_comes_back_from_the_trash(two: Project) -> None:
    with Index(two) as index:
        journal = Journal(index)
        trash = ".shikomi/trash/1/a.png"
        first = journal.apply("trash", [move(A, trash)])
        journal.apply("two", [Change(B, CAPTION, "one", "two")])
        assert not (two.root / A).exists()
        take_back(index, journal, edit_of(journal, first.edit))
        assert (two.root / A).exists()


def test_the_newest_edit_is_undone_and_an_undone_one_is_refused(two: Project) -> None:
    with Index(two) as index:
        journal = Journal(index)
        first = journal.apply("two", [Change(A, CAPTION, "one", "two")])
        assert take_back(index, journal, edit_of(journal, first.edit)).undone
        with pytest.raises(RetryError, match="not in force"):
            take_back(index, journal, edit_of(journal, first.edit))
