"""Kinds of change besides captions: files that move, bytes that are replaced, crops."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from prep.dataset.index import Index
from prep.dataset.journal.changes import (
    CAPTION,
    CROPS,
    Change,
    ChangeApplier,
    content_change,
    crop_change,
    exclusion,
    move,
)
from prep.dataset.journal.edits import Journal
from prep.images.crops import Box, from_text
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage, draw_numbered

A, B = "dataset/10_mochi/a.png", "dataset/10_mochi/b.png"
MOVED = "dataset/10_mochi/moved.png"


@pytest.fixture
def index(project: Project, make_image: MakeImage) -> Iterator[Index]:
    make_image("10_mochi/a.png", 1, caption="mochi, hat")
    make_image("10_mochi/b.png", 2)
    list(scan.run(project))
    with Index(project) as index:
        yield index


def crops_of(index: Index, path: str) -> str | None:
    row = index.connection.execute("SELECT boxes FROM work.crops WHERE path=?", (path,)).fetchone()
    return None if row is None else row[0]


def test_what_is_known_of_an_image_moves_with_it_and_back(project: Project, index: Index) -> None:
    journal = Journal(index)
    journal.apply("leave out", [exclusion(A, None, "blurred"), Change(A, CROPS, None, "[1]")])
    journal.apply("rename", [move(A, MOVED), move(A[:-3] + "txt", MOVED[:-3] + "txt")])
    assert not (project.root / A).exists()
    row = index.get(MOVED)
    assert row is not None
    assert (row.excluded, row.caption) == ("blurred", "mochi, hat")
    assert crops_of(index, MOVED) == "[1]"

    journal.undo()
    assert (project.root / A).exists()
    assert not (project.root / MOVED).exists()
    back = index.get(A)
    assert back is not None
    assert back.excluded == "blurred"
    assert crops_of(index, A) == "[1]"


def test_a_file_is_never_moved_onto_another(project: Project, index: Index) -> None:
    outcome = Journal(index).apply("rename", [move(A, B)])
    assert outcome.conflicts == [(A, f"{B} already exists")]
    assert (project.root / A).exists()


def test_a_file_that_comes_in_at_the_last_moment_is_not_replaced(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def beaten(source: Path, target: Path, *, follow_symlinks: bool) -> None:
        target.write_bytes(b"somebody else's")
        real(source, target, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(os, "link", beaten)
    outcome = Journal(index).apply("rename", [move(A, MOVED)])
    assert outcome.conflicts == [(A, "the file cannot be moved (File exists)")]
    assert (project.root / MOVED).read_bytes() == b"somebody else's"
    assert (project.root / A).exists()


def test_a_move_that_was_cut_off_between_two_names_is_finished(
    project: Project, index: Index
) -> None:
    before = (project.root / A).read_bytes()
    os.link(project.root / A, project.root / MOVED)
    assert Journal(index).apply("rename", [move(A, MOVED)]).changed
    assert (project.root / MOVED).read_bytes() == before
    assert not (project.root / A).exists()


def test_files_move_where_there_are_no_hard_links(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    assert Journal(index).apply("rename", [move(A, MOVED)]).changed
    assert not (project.root / A).exists()


def test_a_move_to_the_trash_leaves_the_index_and_undo_brings_it_back(
    project: Project, index: Index
) -> None:
    journal = Journal(index)
    journal.apply("to the trash", [move(A, f".shikomi/trash/{A}")])
    assert index.get(A) is None
    journal.undo()
    list(scan.run(project))
    assert index.get(A) is not None


def test_bytes_that_are_no_text_are_replaced_and_brought_back(
    project: Project, index: Index
) -> None:
    file = project.root / "dataset/10_mochi/b.txt"
    file.write_bytes(b"caf\xe9")
    journal = Journal(index)
    change = content_change("dataset/10_mochi/b.txt", b"caf\xe9", "café".encode())
    journal.apply("to UTF-8", [change])
    assert file.read_text("utf-8") == "café"
    journal.undo()
    assert file.read_bytes() == b"caf\xe9"

    file.write_bytes(b"changed elsewhere")
    assert journal.redo().conflicts
    assert file.read_bytes() == b"changed elsewhere"


def test_a_file_that_was_not_there_is_removed_again(project: Project, index: Index) -> None:
    journal = Journal(index)
    journal.apply("new file", [content_change("notes.txt", None, b"\xff")])
    assert (project.root / "notes.txt").read_bytes() == b"\xff"
    journal.undo()
    assert not (project.root / "notes.txt").exists()


def test_a_file_that_cannot_be_read_is_a_conflict(index: Index) -> None:
    outcome = Journal(index).apply("x", [content_change("dataset", b"x", b"y")])
    assert outcome.conflicts == [("dataset", "the file cannot be read (Is a directory)")]


def test_a_file_that_is_gone_cannot_move_unless_it_has_moved_already(
    project: Project, index: Index
) -> None:
    (project.root / A).rename(project.root / MOVED)  # as a crash leaves it
    journal = Journal(index)
    assert journal.apply("rename", [move(A, MOVED)]).changed
    assert index.get(MOVED) is not None
    (project.root / MOVED).unlink()
    assert journal.undo().conflicts == [(A, "the file no longer exists")]


def test_a_move_that_fails_says_why(project: Project, index: Index) -> None:
    target = f"{A}/below/a.png"  # a folder would have to be where a file is
    outcome = Journal(index).apply("rename", [move(B, target)])
    assert outcome.conflicts == [(B, "the file cannot be moved (Not a directory)")]
    assert (project.root / B).exists()


def test_files_move_to_other_file_systems(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    before = (project.root / A).read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("os.link", refused)
        patched.setattr("os.rename", refused)
        assert Journal(index).apply("rename", [move(A, MOVED)]).changed
    assert (project.root / MOVED).read_bytes() == before
    assert not (project.root / A).exists()


def test_what_leaves_the_dataset_leaves_the_index(index: Index) -> None:
    Journal(index).apply("away", [move(A, "output/a.png"), move(B, f"dataset/3_other/{B[-5:]}")])
    assert [row.path for row in index.usable()] == ["dataset/3_other/b.png"]
    assert index.usable()[0].folder == "3_other"


def test_hidden_folders_are_no_part_of_a_bare_folder_of_images(tmp_path: Path) -> None:
    draw_numbered(1, (16, 16)).save(tmp_path / "a.png")
    bare = Project.open(tmp_path)
    list(scan.run(bare))
    with Index(bare) as index:
        Journal(index).apply("to the trash", [move("a.png", ".shikomi/trash/a.png")])
        assert index.usable() == []


def test_crops_come_and_go(index: Index) -> None:
    journal = Journal(index)
    boxes = [Box(0, 0, 0.5, 1)]
    journal.apply("crop", [crop_change(A, [], boxes)])
    assert from_text(crops_of(index, A)) == tuple(boxes)
    journal.apply("whole", [crop_change(A, boxes, [])])
    assert crops_of(index, A) is None
    journal.undo()
    assert from_text(crops_of(index, A)) == tuple(boxes)


def test_a_caption_that_vanishes_while_it_is_removed_is_gone(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project.caption_file(A)

    def vanishing(_: Path) -> str:
        text = file.read_text()
        file.unlink()
        return text

    monkeypatch.setattr("prep.dataset.journal.changes._read", vanishing)
    assert Journal(index).apply("x", [Change(A, CAPTION, "mochi, hat", None)]).changed


def test_changes_are_made_without_fault_or_with_the_reason(index: Index) -> None:
    fine = [
        Change(A, CAPTION, "mochi, hat", "x"),
        exclusion(A, None, "blurred"),
        content_change("notes.txt", None, b"x"),
        content_change("notes.txt", None, b"x"),  # it is so already
        move(B, MOVED),
    ]
    taken = move("notes.txt", A)
    made = list(ChangeApplier(index).make([*fine, taken]))
    assert made == [*((change, "") for change in fine), (taken, f"{A} already exists")]


def test_folders_are_on_the_disk_before_an_edit_is_done(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could lose a new name that the journal says is there."""
    states: list[str] = []
    synced: set[str] = set()

    def record(folders: Iterable[str]) -> None:
        synced.update(Path(folder).relative_to(project.root).as_posix() for folder in folders)
        states.extend(row[0] for row in index.connection.execute("SELECT state FROM work.edits"))

    monkeypatch.setattr("prep.dataset.journal.changes.sync_folders", record)
    changes = [
        Change(A, CAPTION, "mochi, hat", "x"),
        content_change("notes/a.txt", None, b"x"),
        move(B, "dataset/3_other/b.png"),
        move(A, "output/a.png"),
    ]
    for change in changes:
        states.clear()
        synced.clear()
        Journal(index).apply("x", [change])
        assert states[-1] == "pending"
        places = {change.path} if change.what != "moved" else {change.path, str(change.after)}
        assert synced == {Path(place).parent.as_posix() for place in places}
