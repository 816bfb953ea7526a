"""Bulk edits and pruning from the command line: what people read."""

import json
from pathlib import Path

import pytest

from prep.project import Project
from tests.conftest import MakeImage
from tui.command_line import app

SENTENCE = "A bear in a red hat sits on the beach, smiling at us."


@pytest.fixture
def folder(project: Project, make_image: MakeImage) -> str:
    for number in range(4):
        make_image(f"10_mochi/{number}.png", number, caption="mochi, bear, hat")
    make_image("10_mochi/4.png", 4, caption=f"mochi, {SENTENCE}")
    return str(project.root)


def call(*arguments: str) -> int:
    return int(app([*arguments], exit_on_error=False, print_error=True))


def test_a_preview_shows_some_changes_and_counts_all(
    folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        call("edit", folder, "--remove", "hat", "--add", "night", "--dry-run", "--show", "1") == 0
    )
    assert capsys.readouterr().out.splitlines() == [
        "dataset/10_mochi/0.png",
        "  - hat",
        "  + night",
        "... and 4 more (--show 0 for all)",
        "5 captions would change",
        "  - hat x4",
        "  + night x5",
        "  1 caption with sentences, which stay in one piece",
    ]


def test_dots_and_groups_in_patterns(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        call("edit", folder, "--regex.^(b.a.)$", r"brown \1", "--path", "dataset/10_mochi/0.png")
        == 0
    )
    out = capsys.readouterr().out
    assert "  - bear\n  + brown bear\n" in out
    assert "1 caption changed (edit 1; take it back with: shikomi undo)" in out
    assert (Path(folder) / "dataset/10_mochi/0.txt").read_text() == "mochi, brown bear, hat"


def test_order_alone_is_shown_as_lines(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("edit", folder, "--move.hat", "front", "--dry-run", "--show", "1") == 0
    out = capsys.readouterr().out
    assert "  - mochi, bear, hat\n  + hat, mochi, bear\n" in out
    assert "4 captions only in order or spelling" in out
    assert call("edit", folder, "--remove", "nothing") == 0
    assert capsys.readouterr().out == "Nothing to change.\n"


def test_find_lists_what_it_found(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("edit", folder, "--find", "^b", "--show", "1") == 0
    assert capsys.readouterr().out.splitlines() == [
        "dataset/10_mochi/0.png",
        "    bear",
        "... and 3 more (--show 0 for all)",
        "found in 4 captions",
        "    bear x4",
    ]


def test_json_has_every_change(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("edit", folder, "--add", "night", "--dry-run", "--show", "1", "--json") == 0
    kinds = [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()]
    assert kinds.count("change") == 5
    assert kinds[-1] == "finished"


def test_a_concept_is_told_in_words(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ("--trigger", "mochi", "--repeats", "3", "--prune", "bear")
    assert call("concept", folder, "10_mochi", *chosen) == 0
    undo = "(edit 1; take it back with: shikomi undo)"
    told = f"10_mochi: trigger mochi, repeats 3, never in captions: bear {undo}\n"
    assert capsys.readouterr().out == told
    (Path(folder) / "dataset" / "1girl").mkdir()
    assert call("concept", folder, "1girl", "--regularization") == 0
    told = "1girl: no trigger word, repeats of the folder's name, regularisation images (edit 2"
    assert capsys.readouterr().out.startswith(told)
    assert call("concept", folder, "1girl") == 0
    assert capsys.readouterr().out.endswith("regularisation images\n")


def test_prune_explains_and_applies(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("concept", folder, "10_mochi", "--trigger", "mochi") == 0
    capsys.readouterr()
    assert call("prune", folder, "10_mochi", "--share", "0.8") == 0
    out = capsys.readouterr().out
    assert "  x       80%     -  bear\n" in out
    assert "mochi absorbs it" in out
    assert "10_mochi: would prune bear" in out
    assert call("prune", folder, "10_mochi", "--share", "0.8", "--apply") == 0
    out = capsys.readouterr().out
    assert 'prune = ["bear"]' in out
    assert "4 captions changed (edit 2; take it back with: shikomi undo)" in out
    assert call("prune", folder, "10_mochi", "--share", "1.0") == 0
    assert "No tag stands in 100% of the images" in capsys.readouterr().out
    assert call("prune", folder, "10_mochi", "--apply") == 2
    assert "nothing to prune" in capsys.readouterr().err
