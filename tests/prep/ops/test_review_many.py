"""The review: one answer to all questions alike, in one edit."""

from collections.abc import Sequence

import pytest

from prep import events
from prep.curation.review import Answer, Decision, alike
from prep.curation.review.present import Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.decisions import unpacked
from prep.dataset.journal.edits import Journal
from prep.ops import review, scan
from prep.ops.review import ReviewOptions
from prep.ops.review.duplicates import UnclearPair
from prep.project import Project
from tests.prep.ops.test_review import (
    FOLDER,
    caption,
    excluded,
    framed,
    put,
    save,
    titles,
    undo,
    waiting,
)
from tests.prep.pictures import busy
from tests.prep.scored import scored
from tui.command_line import app


def decide_all(
    project: Project, decisions: Sequence[Decision], answer: Answer
) -> list[tuple[str, str]]:
    """Give all the same answer; return what no longer applied."""
    with Index(project) as index:
        title, changes, left = review.decided(index, decisions, answer)
        Journal(index).apply(title, changes)
    return left


def test_one_answer_to_all_alike_is_one_edit(project: Project) -> None:
    for number in range(3):
        save(project, f"{number}.png", busy(number).point(lambda level: level // 12))
    save(project, "wide.png", busy(4, (1600, 560)).point(lambda level: level // 12))
    found = waiting(project, "quality", "cut")
    many = alike(found, found[0], "no")
    assert titles(many) == [f"{number}.png: dark, flat" for number in range(3)] + [
        "wide.png: dark, flat"
    ]
    decide_all(project, many, "no")
    assert [each.kind for each in waiting(project, "quality", "cut")] == ["cut"]
    undo(project)
    assert waiting(project, "quality", "cut") == found


def test_a_code_that_no_question_has_is_told_with_those_that_there_are(project: Project) -> None:
    save(project, "dark.png", busy(3).point(lambda level: level // 12))
    list(scan.run(project))
    for code, said in (("dark+flat", []), ("drak", ["No question has the code drak."])):
        found = list(review.run(project, ReviewOptions(kind=("quality",), code=code)))
        warned = [event for event in found if isinstance(event, events.Warned)]
        assert [event.message for event in warned] == said
    assert warned[0].hint == "These have: dark+flat"


def test_of_all_alike_only_those_that_still_apply_are_answered(project: Project) -> None:
    for number in range(2):
        save(project, f"{number}.png", busy(number).point(lambda level: level // 12))
    found = waiting(project, "quality")
    with Index(project) as index:
        Journal(index).apply("x", [exclusion(found[0].images[0], None, "by hand")])
    assert decide_all(project, found, "yes") == [(found[0].images[0], "0.png is excluded")]
    assert excluded(project) == {
        f"{FOLDER}/0.png": "by hand",
        f"{FOLDER}/1.png": "quality: dark, flat",
    }


def test_answers_about_one_image_add_up(project: Project) -> None:
    paths = [put(project, name, number) for number, name in enumerate(("a.png", "b.png", "c.png"))]
    list(scan.run(project))
    first, *others = (f"{FOLDER}/{path.name}" for path in paths)
    pairs = [
        UnclearPair(
            kind="unclear",
            images=(first, other),
            basis=frozenset({other}),
            importance=2,
            title="",
            reason="",
            no="keep both",
            reasons=("uncertain",),
            turns=(0, 0),
        )
        for other in others
    ]
    with Index(project) as index:
        changes = UnclearPair.together(pairs, Present(index), "no")
    assert [change.path for change in changes] == [first, *others]
    assert unpacked(changes[0].after) == {"unclear": frozenset(others)}


def test_all_doubts_about_an_image_are_decided_together(project: Project) -> None:
    scored(project, {"a": {"hat": 0.99, "smile": 0.99}}, {"a": "mochi"})
    found = waiting(project, "doubt")
    assert [each.subject for each in found] == ["hat", "smile"]
    decide_all(project, found, "yes")
    assert caption(project, "a.png") == "mochi, hat, smile"
    assert waiting(project, "doubt") == []


def test_the_command_line_answers_all_alike(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        save(project, f"{number}.png", busy(number).point(lambda level: level // 12))
    save(project, "framed.png", framed())
    start = ["review", str(project.root), "--kind", "quality"]
    assert app([*start, "--answer", "yes", "--code", "dark+flat", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert "quality: 0.png: dark, flat\nquality: 1.png: dark, flat\n" in text
    assert "2 would be answered with yes (exclude the image)" in text
    assert excluded(project) == {}
    assert app([*start, "--answer", "no", "--where", "name:1.png"]) == 0
    assert "1 answered with no (keep it)" in capsys.readouterr().out
    assert titles(waiting(project, "quality")) == ["0.png: dark, flat", "framed.png: borders"]
    assert app([*start, "--answer", "fix"]) == 0  # only of borders
    assert titles(waiting(project, "quality")) == ["0.png: dark, flat"]
    assert app(["review", str(project.root), "--answer", "no"]) == 2
    assert "--answer requires one --kind" in capsys.readouterr().err


def test_an_answer_that_means_different_things_is_not_given_to_all(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(2):
        first = put(project, f"a{number}.png", number)
        first.with_name(f"b{number}.png").write_bytes(first.read_bytes())
    start = ["review", str(project.root), "--kind", "duplicates"]
    assert app([*start, "--answer", "yes"]) == 2
    text = capsys.readouterr().err
    assert "keep a0.png, exclude b0.png; keep a1.png, exclude b1.png" in text
    assert excluded(project) == {}
    assert app([*start, "--answer", "fix"]) == 2  # which one is on the right?
    found = waiting(project, "duplicates")
    assert alike(found, found[0], "fix") == found[:1]
    assert alike(found, found[0], "no") == found
    assert app([*start, "--answer", "yes", "--where", "name:a1"]) == 0
    assert list(excluded(project)) == [f"{FOLDER}/b1.png"]
