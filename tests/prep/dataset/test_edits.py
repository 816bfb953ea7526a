import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.dataset.index import Index
from prep.dataset.journal import edits
from prep.dataset.journal.changes import CAPTION, Change, caption_change, exclusion
from prep.dataset.journal.edits import Journal, check_found
from prep.errors import RetryError, UserError
from prep.ops import scan
from prep.project import Project
from prep.system.files import Fingerprint, write_text
from prep.system.locks import exclusive
from tests.conftest import MakeImage
from tests.waiting import ended

A, B = "dataset/10_mochi/a.png", "dataset/10_mochi/b.png"


@pytest.fixture
def index(project: Project, make_image: MakeImage) -> Iterator[Index]:
    make_image("10_mochi/a.png", 1, caption="mochi, hat")
    make_image("10_mochi/b.png", 2)
    list(scan.run(project))
    with Index(project) as index:
        yield index


def text(project: Project, path: str) -> str | None:
    file = (project.root / path).with_suffix(".txt")
    return file.read_bytes().decode() if file.exists() else None


def test_apply_undo_redo_across_restarts(project: Project, index: Index) -> None:
    outcome = Journal(index).apply(
        "add smile",
        [
            caption_change(A, "mochi, hat", ["mochi", "hat", "smile"]),
            caption_change(B, None, ["smile"]),
            exclusion(B, None, "blurred"),
        ],
    )
    assert len(outcome.changed) == 3
    assert not outcome.undone
    assert check_found(outcome, "redo") is outcome
    assert [edit.kinds for edit in Journal(index).history()] == [{"caption": 2, "excluded": 1}]
    assert (text(project, A), text(project, B)) == ("mochi, hat, smile", "smile")
    assert index.tag_counts() == [("hat", 1), ("mochi", 1), ("smile", 1)]
    index.close()

    with Index(project) as again:
        journal = Journal(again)
        undone = journal.undo()
        assert (undone.edit, undone.undone) == (outcome.edit, True)
        assert (text(project, A), text(project, B)) == ("mochi, hat", None)
        assert again.tag_counts() == [("hat", 1), ("mochi", 1)]
        assert len(again.usable()) == 2
        assert [edit.state for edit in journal.history()] == ["undone"]
        assert journal.undo().edit == 0
        redone = journal.redo()
        assert (len(redone.changed), redone.undone) == (3, False)
        assert text(project, B) == "smile"
        assert len(again.usable()) == 1
        assert journal.redo().edit == 0


def test_undo_goes_back_step_by_step_and_a_new_edit_ends_redo(
    project: Project, index: Index
) -> None:
    journal = Journal(index)
    for before, after in (("mochi, hat", "one"), ("one", "two"), ("two", "three")):
        journal.apply(after, [Change(A, CAPTION, before, after)])
    assert [journal.undo().title, journal.undo().title] == ["three", "two"]
    assert text(project, A) == "one"
    assert journal.redo().title == "two"
    journal.apply("four", [Change(A, CAPTION, "two", "four")])
    assert journal.redo().edit == 0
    assert [edit.title for edit in journal.history()] == ["four", "two", "one"]


def test_files_changed_elsewhere_are_left_alone(project: Project, index: Index) -> None:
    journal = Journal(index)
    file = project.caption_file(A)
    file.write_text("by another editor")
    outcome = journal.apply("x", [Change(A, CAPTION, "mochi, hat", "x")])
    assert not outcome.changed
    assert outcome.conflicts == [(A, "the caption was changed by another program in the meantime")]
    assert text(project, A) == "by another editor"
    assert journal.history() == []
    assert journal.undo().edit == 0

    file.write_text("mochi, hat")
    journal.apply("y", [Change(A, CAPTION, "mochi, hat", "y"), Change(B, CAPTION, None, "y")])
    file.write_text("again")
    undone = journal.undo()
    assert [path for path, _ in undone.conflicts] == [A]
    assert (text(project, A), text(project, B)) == ("again", None)


def test_what_could_not_be_changed_is_no_part_of_an_edit(project: Project, index: Index) -> None:
    journal = Journal(index)
    project.caption_file(A).write_text("by another editor")
    changes = [
        Change(A, CAPTION, "mochi, hat", "x"),
        exclusion(A, None, "blurred"),
        Change(B, CAPTION, None, "x"),
    ]
    assert [path for path, _ in journal.apply("x", changes).conflicts] == [A]
    assert journal.history()[0].kinds == {"caption": 1, "excluded": 1}
    assert len(journal.undo().changed) == 2
    assert not journal.redo().conflicts


def test_the_history_shows_the_newest_hundred(index: Index) -> None:
    with index.connection:
        index.connection.executemany(
            "INSERT INTO work.edits VALUES(?, 0.0, ?, 'done', '')",
            ((n, f"e{n}") for n in range(102)),
        )
    titles = [edit.title for edit in Journal(index).history()]
    assert titles == [f"e{number}" for number in range(101, 1, -1)]


def test_captions_that_are_not_utf8_are_conflicts(project: Project, index: Index) -> None:
    journal = Journal(index)
    project.caption_file(A).write_bytes(b"\xff\xfe")
    outcome = journal.apply("x", [Change(A, CAPTION, "mochi, hat", "x")])
    assert "UTF-8" in outcome.conflicts[0][1]
    assert project.caption_file(A).read_bytes() == b"\xff\xfe"


def test_nothing_to_do_leaves_no_trace(index: Index) -> None:
    journal = Journal(index)
    same = journal.apply("same", [caption_change(A, "mochi, hat", ["mochi", "hat"])])
    assert (same.edit, same.undone) == (0, False)
    assert journal.history() == []
    with pytest.raises(UserError, match="nothing to undo"):
        check_found(journal.undo(), "undo")


@pytest.mark.parametrize(
    ("before", "tags", "after"),
    [
        (None, [], None),
        ("a", [], None),
        ("a\nA sentence.", [], "\nA sentence."),
        ("a\n", ["b"], "b\n"),
        ("\ufeffa", ["a"], "\ufeffa"),
    ],
)
def test_no_caption_is_ever_emptied(before: str | None, tags: list[str], after: str | None) -> None:
    assert caption_change(A, before, tags).after == after


def test_a_full_disk_stops_and_what_was_written_can_be_undone(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(index)

    def full(path: Path, text: str, *_: object) -> Fingerprint:
        if path.stem == "b":
            raise UserError("The disk is full.", "Free some space.")
        return write_text(path, text)

    monkeypatch.setattr("prep.dataset.journal.changes.write_text", full)
    with pytest.raises(UserError, match="disk is full"):
        journal.apply("x", [Change(A, CAPTION, "mochi, hat", "x"), Change(B, CAPTION, None, "x")])
    monkeypatch.undo()
    assert text(project, A) == "x"
    outcome = journal.undo()
    assert (text(project, A), text(project, B)) == ("mochi, hat", None)
    assert not outcome.conflicts


KILLED_IN_THE_MIDDLE = """
import os, signal, sys
from pathlib import Path
from prep.dataset.journal import changes
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Journal
from prep.dataset.index import Index
from prep.project import Project

real, written = changes.write_text, []
def write(path, text, *_):
    if len(written) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(path)
    return real(path, text)

changes._THREADS = 1
index = Index(Project.open(Path(sys.argv[1])))
journal = Journal(index)
if sys.argv[2] == "undo":
    changes.write_text = write
    journal.undo()
paths = [row.path for row in index.usable()]
changes.write_text = write
journal.apply("all", [Change(path, "caption", "old", "new") for path in paths])
"""


@pytest.mark.parametrize("verb", ["apply", "undo"])
def test_a_killed_edit_is_finished_at_the_next_open(
    project: Project, make_image: MakeImage, verb: str
) -> None:
    for number in range(12):
        make_image(f"10_mochi/{number:02}.png", number, (16, 16), caption="old")
    list(scan.run(project))
    with Index(project) as index:
        paths = [row.path for row in index.usable()]
        if verb == "undo":
            Journal(index).apply("all", [Change(path, CAPTION, "old", "new") for path in paths])
    done = subprocess.run(
        [sys.executable, "-c", KILLED_IN_THE_MIDDLE, str(project.root), verb],
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == -signal.SIGKILL
    target, other = ("new", "old") if verb == "apply" else ("old", "new")
    assert [text(project, path) for path in paths] == [target] * 5 + [other] * 7

    with Index(project) as index:
        recovered = Journal(index).recovered
        assert [len(outcome.changed) for outcome in recovered] == [12]
        assert {text(project, path) for path in paths} == {target}
        assert [edit.state for edit in Journal(index).history()] == [
            "done" if verb == "apply" else "undone"
        ]
        assert {row.caption for row in index.usable()} == {target}
        turned = Journal(index).undo() if verb == "apply" else Journal(index).redo()
        assert len(turned.changed) == 12
    assert {text(project, path) for path in paths} == {other}


KILLED_WITH_MANY_WRITERS = """
import os, signal, sys
from pathlib import Path
from prep.dataset.journal.changes import Change
from prep.dataset.journal.edits import Journal
from prep.dataset.index import Index
from prep.project import Project

real, begun = os.fsync, []
def fsync(descriptor):
    begun.append(descriptor)
    if len(begun) == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    real(descriptor)

index = Index(Project.open(Path(sys.argv[1])))
journal = Journal(index)
os.fsync = fsync
journal.apply("all", [Change(row.path, "caption", "old", "new") for row in index.usable()])
"""


def test_many_writers_leave_each_file_old_or_new(project: Project, make_image: MakeImage) -> None:
    image = make_image("10_mochi/000.png", 1, (16, 16), caption="old")
    for number in range(1, 80):
        image.with_stem(f"{number:03}").write_bytes(image.read_bytes())
        image.with_name(f"{number:03}.txt").write_text("old")
    list(scan.run(project))
    run = [sys.executable, "-c", KILLED_WITH_MANY_WRITERS, str(project.root)]
    assert subprocess.run(run, stdin=subprocess.DEVNULL).returncode == -signal.SIGKILL
    captions = sorted(image.parent.glob("*.txt"))
    assert {file.read_text() for file in captions} <= {"old", "new"}
    assert list(image.parent.glob(".shikomi-*"))
    with Index(project) as index:
        assert [len(outcome.changed) for outcome in Journal(index).recovered] == [80]
        assert {row.caption for row in index.usable()} == {"new"}
    assert {file.read_text() for file in captions} == {"new"}
    assert not list(image.parent.glob(".shikomi-*"))


def test_only_one_process_changes_files(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(index)
    monkeypatch.setattr(edits, "_PATIENCE", 0.0)
    with exclusive(project.state / "journal.lock", 0) as held, monkeypatch.context() as patched:
        assert held
        patched.delattr("prep.system.locks.time.sleep")  # nobody waits to open a project
        with index.connection:
            index.connection.execute(
                "INSERT INTO work.edits VALUES(9, 0.0, 'theirs', 'pending', '')"
            )
        # What another process is busy with is no crash.
        assert Journal(index).recovered == []
        with pytest.raises(RetryError, match="Another shikomi"):
            journal.apply("x", [Change(A, CAPTION, "mochi, hat", "x")])
    assert text(project, A) == "mochi, hat"
    assert journal.apply("x", [Change(A, CAPTION, "mochi, hat", "x")]).changed
    assert [outcome.title for outcome in journal.recovered] == ["theirs"]


def test_many_changes_of_all_kinds_and_a_full_disk(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(30):
        make_image(f"10_mochi/{number:02}.png", number, (16, 16), caption="old")
    list(scan.run(project))

    def full(path: Path, text: str, *_: object) -> Fingerprint:
        if path.stem == "07":
            raise UserError("The disk is full.", "Free some space.")
        return write_text(path, text)

    with Index(project) as index:
        paths = [row.path for row in index.usable()]
        monkeypatch.setattr("prep.dataset.journal.changes.write_text", full)
        wanted = [Change(path, CAPTION, "old", "new") for path in paths]
        with pytest.raises(UserError, match="disk is full"):
            Journal(index).apply("x", [*wanted, *(exclusion(path, None, "x") for path in paths)])
        monkeypatch.undo()
        written = {path for path in paths if text(project, path) == "new"}
        assert 0 < len(written) < 30
        assert {row.path for row in index.usable() if row.caption == "new"} == written
        assert not Journal(index).undo().conflicts
        assert {text(project, path) for path in paths} == {"old"}


def test_a_file_that_cannot_be_removed_is_an_error_and_not_a_crash(
    project: Project, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied")

    journal = Journal(index)
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(UserError, match=r"a\.txt cannot be removed: Permission denied"):
        journal.apply("x", [Change(A, CAPTION, "mochi, hat", None)])
    monkeypatch.undo()
    assert text(project, A) == "mochi, hat"
    # What could not be made is no obstacle to going back.
    assert not journal.undo().conflicts
    assert text(project, A) == "mochi, hat"


def test_two_processes_at_once_lose_nothing(project: Project, index: Index) -> None:
    script = (
        "import sys; from pathlib import Path; from prep.ops import edit;"
        "from prep.editing.options import EditOptions; from prep.project import Project;"
        "list(edit.run(Project.open(Path(sys.argv[1])), EditOptions(add=(sys.argv[2],))))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(project.root), tag])
        for tag in ("night", "day")
    ]
    assert [ended(process) for process in running] == [0, 0]
    tags = (text(project, A) or "").split(", ")
    # Either both, or the later one found the caption changed and left it alone.
    assert tags[:2] == ["mochi", "hat"]
    assert {*tags[2:]} in ({"night", "day"}, {"night"}, {"day"})
    done = len(Journal(index).history())
    for _ in range(done):
        assert not Journal(index).undo().conflicts
    assert (text(project, A), text(project, B)) == ("mochi, hat", None)


def test_recovery_leaves_what_was_edited_after_the_crash(project: Project, index: Index) -> None:
    with index.connection:
        index.connection.execute("INSERT INTO work.edits VALUES(1, 0.0, 'x', 'pending', '')")
        index.connection.execute(
            "INSERT INTO work.changes VALUES(1, ?, 'caption', 'mochi, hat', 'x')", (A,)
        )
    (project.root / A).with_suffix(".txt").write_text("by hand since")
    journal = Journal(index)
    assert journal.recovered[0].conflicts[0][0] == A
    assert text(project, A) == "by hand since"
    assert Journal(index).recovered == []
