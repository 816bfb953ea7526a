"""Undo and redo that fail or are interrupted: nothing is out of reach, and the next one goes on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep import events
from prep.dataset.index import Index
from prep.dataset.journal.changes import CAPTION, Change
from prep.dataset.journal.edits import Journal
from prep.errors import UserError
from prep.ops import edit, scan
from prep.project import Project
from prep.system.files import Fingerprint, write_text
from tests.conftest import MakeImage

COUNT = 12
FAILING = "07"


@pytest.fixture
def opened(project: Project, make_image: MakeImage) -> Project:
    """Return a project with two edits of all captions."""
    for number in range(COUNT):
        make_image(f"10_mochi/{number:02}.png", number, (16, 16), caption="0")
    list(scan.run(project))
    with Index(project) as index:
        paths = [row.path for row in index.usable()]
        for before, after in (("0", "1"), ("1", "2")):
            Journal(index).apply(after, [Change(path, CAPTION, before, after) for path in paths])
    return project


@pytest.fixture
def index(opened: Project) -> Iterator[Index]:
    with Index(opened) as index:
        yield index


def texts(project: Project) -> list[str]:
    return sorted(file.read_text() for file in project.dataset.rglob("*.txt"))


def states(journal: Journal) -> dict[str, str]:
    return {one.title: one.state for one in journal.history()}


@pytest.fixture
def locked() -> Iterator[pytest.MonkeyPatch]:
    """Make one caption not writable, until the patch is undone."""

    def write(path: Path, text: str, *more: object) -> Fingerprint:
        if path.stem == FAILING:
            raise UserError(f"No permission to write {path}.", "Check its folder.")
        return write_text(path, text)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("prep.dataset.journal.changes.write_text", write)
        yield patched


def test_a_failed_undo_is_finished_by_the_next(
    opened: Project, index: Index, locked: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match="No permission"):
        Journal(index).undo()
    assert texts(opened) == ["1"] * (COUNT - 1) + ["2"]
    journal = Journal(index)
    assert [(one.title, one.undone) for one in journal.unfinished] == [("2", True)]
    assert states(journal) == {"2": "pending", "1": "done"}
    with pytest.raises(UserError, match="No permission"):
        journal.undo()
    assert texts(opened).count("1") == COUNT - 1
    locked.undo()
    again = journal.undo()
    assert (again.title, len(again.changed), again.conflicts) == ("2", COUNT, [])
    assert texts(opened) == ["1"] * COUNT
    assert journal.undo().title == "1"
    assert texts(opened) == ["0"] * COUNT


def test_a_failed_undo_is_reversed_by_redo(
    opened: Project, index: Index, locked: pytest.MonkeyPatch
) -> None:
    journal = Journal(index)
    with pytest.raises(UserError):
        journal.undo()
    # A redo writes what the undo could write; the other caption is as it should be.
    assert not journal.redo().conflicts
    assert texts(opened) == ["2"] * COUNT
    assert states(journal) == {"2": "done", "1": "done"}


def test_a_failed_redo_is_finished_by_the_next(
    opened: Project, index: Index, locked: pytest.MonkeyPatch
) -> None:
    with locked.context() as free:
        free.setattr("prep.dataset.journal.changes.write_text", write_text)
        Journal(index).undo()
        Journal(index).undo()
    with pytest.raises(UserError):
        Journal(index).redo()
    locked.undo()
    journal = Journal(index)
    assert [one.title for one in journal.recovered] == ["1"]
    # What was finished is not followed by another redo.
    assert journal.redo().title == "1"
    assert states(journal) == {"2": "undone", "1": "done"}
    assert texts(opened) == ["1"] * COUNT
    assert journal.redo().title == "2"


def test_no_new_edit_on_half_of_an_undo(
    opened: Project, index: Index, locked: pytest.MonkeyPatch
) -> None:
    journal = Journal(index)
    with pytest.raises(UserError):
        journal.undo()
    path = index.usable()[0].path
    with pytest.raises(UserError, match="undo must be finished first: 2") as no:
        journal.apply("3", [Change(path, CAPTION, "1", "3")])
    assert no.value.hint == "Check its folder. Or reverse it with: shikomi redo"
    assert "3" not in texts(opened)
    found = list(edit.history(opened))
    assert any("cannot be finished: 2. No permission" in str(event) for event in found)
    locked.undo()
    assert journal.apply("3", [Change(path, CAPTION, "1", "3")]).changed
    assert texts(opened) == ["1"] * (COUNT - 1) + ["3"]


@pytest.mark.parametrize("verb", ["undo", "redo"])
def test_an_interrupt_leaves_it_pending(
    opened: Project, index: Index, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    if verb == "redo":
        Journal(index).undo()
    monkeypatch.setattr("prep.dataset.journal.changes._PORTION", 5)
    real, batches = os.fsync, []

    def interrupted(descriptor: int) -> None:
        batches.append(descriptor)
        real(descriptor)
        if len(batches) >= 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            getattr(Journal(index), verb)()
    assert len(set(texts(opened))) == 2
    journal = Journal(index)
    assert [len(outcome.changed) for outcome in journal.recovered] == [COUNT]
    assert states(journal)["2"] == ("undone" if verb == "undo" else "done")
    # What was finished is not followed by another undo.
    assert [journal.undo().title, journal.undo().title] == ["2", "1"]
    assert texts(opened) == ["0"] * COUNT


def test_an_interrupted_edit_can_be_taken_back(
    opened: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it was interrupted before any change was counted."""
    paths = [row.path for row in index.usable()]

    def interrupted(*_: object) -> Fingerprint:
        raise KeyboardInterrupt

    def first(path: Path, text: str, *_: object) -> Fingerprint:
        return write_text(path, text) if path.stem == "00" else interrupted()

    with monkeypatch.context() as patched:
        patched.setattr("prep.dataset.journal.changes.write_text", first)
        with pytest.raises(KeyboardInterrupt):
            Journal(index).apply("3", [Change(path, CAPTION, "2", "3") for path in paths])
    assert texts(opened) == ["2"] * (COUNT - 1) + ["3"]
    assert Journal(index).recovered == []
    outcome = Journal(index).undo()
    assert (outcome.title, outcome.conflicts) == ("3", [])
    assert texts(opened) == ["2"] * COUNT


def test_what_an_editor_saves_meanwhile_stays(
    opened: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new text takes milliseconds to get to the disk: long enough for somebody to save."""
    path, real = index.usable()[0].path, os.fsync
    file = opened.caption_file(path)

    def saving(descriptor: int) -> None:
        real(descriptor)
        file.write_text("by hand")

    changes = [Change(row.path, CAPTION, "2", "3") for row in index.usable()]
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", saving)
        outcome = Journal(index).apply("3", changes[:1])
    assert [where for where, _ in outcome.conflicts] == [path]
    assert file.read_text() == "by hand"
    assert len(list(file.parent.glob(".shikomi-*"))) == 0


def test_images_that_share_a_caption_are_changed_at_once(
    opened: Project, index: Index, make_image: MakeImage
) -> None:
    """``a.png`` and ``a.jpg`` have one caption file; threads get to both at the same time."""
    for number in range(COUNT):
        make_image(f"10_mochi/{number:02}.jpg", number, (16, 16))
    list(scan.run(opened))
    paths = [row.path for row in index.usable()]
    assert len(paths) == 2 * COUNT
    for _ in range(5):
        done = Journal(index).apply("3", [Change(path, CAPTION, "2", "3") for path in paths])
        undone = Journal(index).undo()
        assert (len(done.changed), len(undone.changed)) == (2 * COUNT, 2 * COUNT)
        assert texts(opened) == ["2"] * COUNT


@pytest.fixture
def copied(opened: Project, tmp_path: Path) -> Project:
    """Return a copy of the project elsewhere, with an edit that was interrupted."""
    with Index(opened) as index, index.connection:
        paths = [row.path for row in index.usable()]
        index.connection.execute("INSERT INTO work.edits VALUES(9, 0.0, 'theirs', 'pending', '')")
        index.connection.executemany(
            "INSERT INTO work.changes VALUES(9, ?, 'caption', '2', 'theirs')",
            ((path,) for path in paths),
        )
    shutil.copytree(opened.root, tmp_path / "copy")
    return Project.open(tmp_path / "copy")


def test_what_was_begun_elsewhere_waits(copied: Project) -> None:
    found = [event for event in edit.history(copied) if isinstance(event, events.Warned)]
    assert [event.message for event in found] == [
        f"An edit that was begun elsewhere is not finished: theirs ({COUNT} changes)."
    ]
    assert texts(copied) == ["2"] * COUNT
    with Index(copied) as index:
        journal = Journal(index)
        assert (journal.recovered, [one.title for one in journal.waiting]) == ([], ["theirs"])
        assert journal.redo().title == "theirs"
        assert texts(copied) == ["theirs"] * COUNT
        assert journal.waiting == []


def test_what_was_begun_elsewhere_can_be_dropped(copied: Project) -> None:
    with Index(copied) as index:
        journal = Journal(index)
        path = index.usable()[0].path
        journal.apply("mine", [Change(path, CAPTION, "2", "mine")])
        assert [journal.undo().title, journal.undo().title] == ["mine", "theirs"]
        assert texts(copied) == ["2"] * COUNT
        # From here on the journal is at home: what is interrupted now was begun here.
        edit = journal.apply("newer", [Change(path, CAPTION, "2", "newer")]).edit
        with index.connection:
            index.connection.execute("UPDATE work.edits SET state='pending' WHERE id=?", (edit,))
        assert [outcome.title for outcome in Journal(index).recovered] == ["newer"]


def test_a_journal_of_an_older_version_is_not_at_home(opened: Project) -> None:
    with Index(opened) as index, index.connection:
        index.connection.execute("DELETE FROM work.home")
        index.connection.execute("UPDATE work.edits SET state='pending' WHERE title='2'")
    with Index(opened) as index:
        assert [one.title for one in Journal(index).waiting] == ["2"]
        assert Journal(index).redo().title == "2"
        assert Journal(index).waiting == []
