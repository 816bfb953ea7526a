"""What the check prints, how it exits, and that its documentation is true."""

import json
from pathlib import Path

import pytest

from prep.cli.check import EXAMPLES, check
from prep.curation.checks import catalogue
from prep.ops.check import CheckOptions
from prep.project import Project
from tests.prep.check_cases import Box, C

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "topics" / "check.md"


@pytest.fixture
def box(project: Project) -> Box:
    return Box(project)


def test_a_sound_dataset_ends_with_0(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(box.root) == 0
    assert capsys.readouterr().out == (
        "3 images checked by the rules of sd-scripts: nothing to complain about.\n"
    )


def test_notes_alone_end_with_0(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.file(f"{C}/gone.txt", "x")
    assert check(box.root) == 0
    assert "0 errors, 0 warnings, 1 info." in capsys.readouterr().out


def test_groups_are_cut_short_unless_all_is_asked_for(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(EXAMPLES + 4):
        box.caption(f"hat, {number}", f"x{number}")
    assert check(box.root) == 1
    short = capsys.readouterr().out
    assert f"(trigger-missing, {EXAMPLES + 4})" in short
    assert "    and 4 more\n" in short
    assert short.count(f"dataset/{C}/x") == EXAMPLES
    assert check(box.root, all=True) == 1
    everything = capsys.readouterr().out
    assert everything.count(f"dataset/{C}/x") == EXAMPLES + 4
    assert "more" not in everything


def test_mending_says_what_it_did(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.caption("もち, 帽子".encode("shift_jis"))
    assert check(box.root, options=CheckOptions(dry_run=True)) == 1
    shown = capsys.readouterr().out
    assert "  - もち, 帽子\n  + mochi, もち, 帽子\n" in shown
    assert "2 can be fixed: shikomi check --fix" in shown
    told = CheckOptions(fix=True, ignore=("caption-not-english",))
    assert check(box.root, options=told) == 0
    assert "Fixed 2 findings (edit 1; take back with: shikomi undo)." in capsys.readouterr().out


def test_json_has_a_finding_a_line(box: Box, capsys: pytest.CaptureFixture[str]) -> None:
    box.file(f"{C}/one.txt", b"")
    assert check(box.root, json=True) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (finding,) = [line for line in lines if line["kind"] == "finding"]
    assert finding["code"] == "caption-empty"
    assert finding["severity"] == "error"
    assert finding["path"] == f"dataset/{C}/one.txt"
    assert finding["fixable"] is True
    assert finding["consequence"]
    assert finding["fix"]
    counts = lines[-1]["summary"]
    assert (counts["errors"], counts["warnings"], counts["fixed"]) == (1, 0, 0)


def test_a_code_that_does_not_exist_ends_with_2(
    box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(box.root, options=CheckOptions(only=("caption-emtpy",))) == 2
    assert "Did you mean caption-empty?" in capsys.readouterr().err


def test_the_table_in_the_documentation_is_up_to_date() -> None:
    assert catalogue.table() in DOCUMENT.read_text("utf-8"), (
        "put this into docs/topics/check.md:\n" + catalogue.table()
    )
