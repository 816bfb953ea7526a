"""A journal that somebody else wrote changes nothing outside of the project."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.dataset.index import Index
from prep.dataset.journal.changes import CAPTION, CONTENT, MOVED, Change, content_change, move
from prep.dataset.journal.edits import Journal
from prep.errors import ConfigError, UserError
from prep.ops import allow, scan
from prep.project import Project
from tests.conftest import MakeImage

A = "dataset/10_mochi/a.png"


@pytest.fixture
def index(project: Project, make_image: MakeImage) -> Iterator[Index]:
    make_image("10_mochi/a.png", 1, caption="mochi, hat")
    list(scan.run(project))
    with Index(project) as index:
        yield index


def everything(root: Path) -> dict[str, bytes]:
    """Return all files below a folder, without the databases."""
    found = (path for path in root.rglob("*") if path.is_file() and ".shikomi/" not in str(path))
    return {str(path): path.read_bytes() for path in found}


@pytest.mark.parametrize(
    "change",
    [
        Change("../made", CONTENT, None, "#!/bin/sh"),
        Change("{}/made", CONTENT, None, "#!/bin/sh"),
        Change("../thesis.txt", CONTENT, "precious", "worthless"),
        Change("../thesis.txt", CONTENT, "precious", None),
        Change("../thesis.png", CAPTION, "precious", "worthless"),
        Change("../thesis.png", CAPTION, "precious", None),
        Change("../thesis.txt", MOVED, "../thesis.txt", "../moved"),
        Change("x", MOVED, "../thesis.txt", "dataset/10_mochi/thesis.txt"),
        Change("x", MOVED, A, "../a.png"),
        Change("x", MOVED, "dataset/10_mochi", "dataset/3_other"),  # folders are never moved
        Change("linked/thesis.txt", CONTENT, "precious", "worthless"),
        Change("linked/thesis.png", CAPTION, "precious", "worthless"),
        Change("linked/thesis.txt", MOVED, "linked/thesis.txt", "thesis.txt"),
        Change("dataset/../../thesis.txt", CONTENT, "precious", "worthless"),
        Change(".shikomi/jobs/x/job.json", CONTENT, None, "{{}}"),
        Change(".git/config", CONTENT, None, "[core]"),
        Change("", CONTENT, None, "x"),
        Change("a\0b", CONTENT, None, "x"),
        Change("a\0b.png", CAPTION, None, "x"),
    ],
)
@pytest.mark.parametrize("direction", ["undo", "redo", "open", "apply"])
def test_no_change_leaves_the_project(
    project: Project, index: Index, change: Change, direction: str
) -> None:
    outside = project.root.parent
    (outside / "thesis.txt").write_text("precious")
    (project.root / "linked").symlink_to(outside, target_is_directory=True)
    change = change._replace(path=change.path.format(outside))
    before = everything(outside)
    if direction == "apply":
        outcome = Journal(index).apply("x", [change])
    else:
        recorded = change.reverse if direction == "undo" else change
        state = {"undo": "done", "redo": "undone", "open": "pending"}[direction]
        with index.connection:
            index.connection.execute("INSERT INTO work.edits VALUES(1, 0.0, 'x', ?, '')", (state,))
            index.connection.execute("INSERT INTO work.changes VALUES(1, ?, ?, ?, ?)", recorded)
        journal = Journal(index)
        outcome = journal.recovered[0] if direction == "open" else getattr(journal, direction)()
    assert (len(outcome.changed), len(outcome.conflicts)) == (0, 1)
    assert everything(outside) == before


def test_a_folder_behind_a_link_is_changed_once_it_is_allowed(
    project: Project, index: Index, tmp_path: Path
) -> None:
    """Many people link folders of images into a project; others could do it to them."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "b.png").write_bytes((project.root / A).read_bytes())
    (project.dataset / "3_linked").symlink_to(pictures, target_is_directory=True)
    list(scan.run(project))
    change = Change("dataset/3_linked/b.png", CAPTION, None, "mochi")
    [(path, reason)] = Journal(index).apply("x", [change]).conflicts
    assert path == change.path
    assert reason.endswith(f"shikomi allow {pictures}")
    assert not (pictures / "b.txt").exists()
    list(allow.run(str(pictures)))
    assert Journal(index).apply("x", [change]).changed
    assert (pictures / "b.txt").read_text() == "mochi"
    assert not Journal(index).undo().conflicts
    assert not (pictures / "b.txt").exists()


def test_a_caption_that_is_a_link_is_replaced_and_not_followed(
    project: Project, index: Index, tmp_path: Path
) -> None:
    thesis = tmp_path / "thesis.txt"
    thesis.write_text("mochi, hat")
    caption = project.caption_file(A)
    caption.unlink()
    caption.symlink_to(thesis)
    assert Journal(index).apply("x", [Change(A, CAPTION, "mochi, hat", "x")]).changed
    assert (caption.read_text(), thesis.read_text()) == ("x", "mochi, hat")


def test_the_trash_and_what_comes_in_stay_reachable(project: Project, index: Index) -> None:
    incoming = project.state / "incoming-1" / "b.png"
    incoming.parent.mkdir()
    incoming.write_bytes(b"x")
    changes = [
        move(A, f".shikomi/trash/{A}"),
        move(".shikomi/incoming-1/b.png", "dataset/10_mochi/b.png"),
        content_change("shikomi.toml", project.file.read_bytes(), b""),
    ]
    outcome = Journal(index).apply("x", changes)
    assert (len(outcome.changed), outcome.conflicts) == (3, [])


def test_programs_in_the_journal_are_refused(project: Project, index: Index) -> None:
    with index.connection:
        index.connection.execute(
            "CREATE TRIGGER work.more AFTER INSERT ON edits BEGIN DELETE FROM changes; END"
        )
    with pytest.raises(UserError, match=r"contains the program more, which shikomi did not write"):
        Index(project)


@pytest.mark.parametrize("name", ["work.db", "cache.db"])
def test_databases_behind_links_are_not_opened(project: Project, tmp_path: Path, name: str) -> None:
    other = tmp_path / "bookmarks.db"
    other.write_bytes(b"precious")
    project.state.mkdir(exist_ok=True)
    (project.state / name).symlink_to(other)
    with pytest.raises(ConfigError, match="outside of the project"):
        Index(project)
    assert other.read_bytes() == b"precious"


def test_records_behind_links_are_not_made(project: Project, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.state.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(ConfigError, match="outside of the project"):
        Index(project)
    assert not list(elsewhere.iterdir())
    list(allow.run(str(elsewhere)))
    Index(project).close()
    assert (elsewhere / "work.db").exists()
