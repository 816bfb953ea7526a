"""Undo, redo and history: every kind of change in words for people, as data for programs."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from prep import events
from prep.cli.changes import change_line
from prep.dataset.index import Index
from prep.dataset.journal.changes import (
    ANSWERS,
    CAPTION,
    CONTENT,
    CROPS,
    EXCLUDED,
    MOVED,
    Change,
    content_change,
    crop_change,
    exclusion,
    move,
)
from prep.dataset.journal.edits import Journal
from prep.images import crops
from prep.images.crops import Box
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tui.command_line import app

A, B, C = (f"dataset/10_mochi/{name}.png" for name in "abc")
KEEP = "dataset/10_mochi/d.png"


def call(*arguments: str) -> int:
    return int(app([*arguments], exit_on_error=False, print_error=True))


@pytest.fixture
def folder(project: Project, make_image: MakeImage) -> str:
    for number, name in enumerate("abcd"):
        make_image(f"10_mochi/{name}.png", number, caption="mochi, hat")
    list(scan.run(project))
    boxes = [Box(0.1, 0.0, 0.8, 1.0)]
    with Index(project) as index:
        Journal(index).apply(
            "all kinds at once",
            [
                Change(A, CAPTION, "mochi, hat", "mochi, bow"),
                exclusion(B, None, "blurred"),
                crop_change(A, [], boxes),
                content_change("notes.txt", None, b"caf\xe9\nhat\n"),
                move(C, f".shikomi/trash/{C}"),
                move(KEEP, "dataset/10_mochi/e.png"),
            ],
        )
    return str(project.root)


def test_undoing_and_redoing_tell_all_that_they_do(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("undo", folder) == 0
    out = capsys.readouterr().out
    for text in (
        f"{A}\n  - bow\n  + hat\n",
        f"{A}\n  - crop 0.1,0,0.8,1  (80% of the width, 100% of the height)\n"
        "  (the whole image from now on)\n",
        f"{B}\n  taken in again (was left out: blurred)\n",
        "notes.txt\n  (the file goes)\n  - caf\ufffd\n  - hat\n",
        f"{C}\n  brought back from the trash\n",
        f"dataset/10_mochi/e.png\n  moved to {KEEP}\n",
        "taken back: all kinds at once (edit 1, 6 changes); again with: shikomi redo\n",
    ):
        assert text in out
    assert "[[" not in out
    assert call("redo", folder, "--show", "1") == 0
    out = capsys.readouterr().out
    assert "... and 5 more (--show 0 for all)\nmade again: all kinds at once (edit 1, " in out


def test_programs_get_the_kind_and_both_sides(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("undo", folder, "--json") == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    changes = {(c["path"], c["what"]): c for c in found if c["kind"] == "change"}
    assert crops.from_text(changes[A, "crops"]["before"]) == (Box(0.1, 0.0, 0.8, 1.0),)
    assert changes[A, "crops"]["after"] is None
    assert {what for _, what in changes} == {CAPTION, CONTENT, CROPS, EXCLUDED, MOVED}


def test_the_history_says_when_and_what(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("history", folder) == 0
    out = capsys.readouterr().out
    counts = "(1 caption, 1 file, 1 crop, 1 exclusion, 2 moved files, by the command line)"
    when = f"{time.strftime('%Y-%m-%d')} {out[17:22]}"
    assert out == f"   1  {when}  done      all kinds at once  {counts}\n"
    assert call("history", folder, "--json") == 0
    entry = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (entry["changes"], entry["kinds"]["moved"]) == (6, 2)


def test_an_empty_history(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("history", str(project.root)) == 0
    assert capsys.readouterr().out == "No edits yet.\n"
    assert call("undo", str(project.root)) != 0
    assert "nothing to undo" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("what", "before", "after", "expected"),
    [
        (CAPTION, "a, b", "b, a", "x\n  - a, b\n  + b, a"),
        (CAPTION, None, "a", "x\n  + a"),
        (CAPTION, "a\n", "a\r\n", "x\n  (line ends or order of lines)"),
        (EXCLUDED, "old", "new", "x\n  left out: new"),
        (CONTENT, "k = 1\nz\n", "k = 2\nz\n", "x\n  - k = 1\n  + k = 2"),
        (ANSWERS, "+hat", "+hat, -bow", "x\n  + answer: bow: no"),
        (MOVED, "x", "y/x", "x\n  moved to y/x"),
    ],
)  # fmt: skip
def test_one_change(what: str, before: str | None, after: str | None, expected: str) -> None:
    assert change_line(events.Change("x", before, after, what)) == expected


def test_other_events_say_nothing() -> None:
    other: Callable[[Any], str | None] = change_line
    assert other(events.Progress("x", 1)) is None
