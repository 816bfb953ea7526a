"""Kinds of change besides captions: files that move, bytes that are replaced, crops."""

from collections.abc import Iterator

import pytest

from prep.dataset.index import Index
from prep.dataset.journal.changes import CROPS, Change, content_change, exclusion, move
from prep.dataset.journal.edits import Journal
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage

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
