"""Groups of duplicates that were decided, and are to be decided again."""

from pathlib import Path

import pytest
from PIL import Image

from prep import events
from prep.curation.review import Decision
from prep.curation.review.present import Present
from prep.dataset.index import Index
from prep.dataset.journal.changes import Change, exclusion
from prep.dataset.journal.edits import Journal
from prep.ops import dupes, review, scan
from prep.ops.review import groups
from prep.project import Project
from tests.prep.pictures import busy

FOLDER = "dataset/10_mochi"


@pytest.fixture
def copies(project: Project) -> Project:
    """An image with the same bytes under another name, and smaller."""
    first = project.dataset / "10_mochi" / "a.png"
    busy(1, (640, 640)).save(first)
    first.with_name("b.png").write_bytes(first.read_bytes())
    Image.open(first).resize((320, 320)).save(first.with_name("c.png"))
    list(scan.run(project))
    return project


def found(project: Project) -> list[events.Group]:
    return [event for event in dupes.run(project) if isinstance(event, events.Group)]


def edit(project: Project, changes: list[Change]) -> None:
    with Index(project) as index:
        Journal(index).apply("x", changes)


def asked(project: Project) -> list[str]:
    """Return the titles of the questions about duplicates."""
    with Index(project) as index:
        steps = review.search(index, ["duplicates"])
        decisions = [step for step in steps if isinstance(step, Decision)]
        return [decision.title for decision in review.still_open(index, decisions)]


def test_excluded_copies_are_listed_with_what_stayed_and_come_back(copies: Project) -> None:
    list(dupes.run(copies, dupes.DupesOptions(resolve="keep-best")))
    edit(copies, [exclusion(f"{FOLDER}/a.png", None, "by hand")])
    with Index(copies) as index:
        before = groups.excluded(index)
        assert [(group.reason, group.images) for group in before] == [
            ("exact", [f"{FOLDER}/a.png", f"{FOLDER}/b.png"]),
            ("near", [f"{FOLDER}/a.png", f"{FOLDER}/c.png"]),
        ]
        changes = groups.reopened(Present(index), before[1])
    assert [(Path(change.path).name, change.after) for change in changes] == [("c.png", None)]
    edit(copies, changes)
    with Index(copies) as index:
        assert groups.excluded(index) == before[:1]


def test_that_all_stay_is_remembered_as_in_the_review(copies: Project) -> None:
    exact, near = found(copies)
    with Index(copies) as index:
        edit(copies, groups.keep_all(Present(index), exact))
        assert groups.all_stay(Present(index), exact)
        assert not groups.all_stay(Present(index), near)
    assert asked(copies) == ["a.png has 2 copies"]
    with Index(copies) as index:
        edit(copies, groups.keep_all(Present(index), near))
    assert asked(copies) == []
    with Index(copies) as index:
        edit(copies, groups.reopened(Present(index), near))
        assert not groups.all_stay(Present(index), near)
    assert asked(copies) == ["a.png has 2 copies"]


def test_what_the_review_keeps_is_decided_until_a_file_is_another(copies: Project) -> None:
    with Index(copies) as index:
        (question,) = [
            step for step in review.search(index, ["duplicates"]) if isinstance(step, Decision)
        ]
        edit(copies, review.decided(index, [question], "no").changes)
    exact, near = found(copies)
    with Index(copies) as index:
        assert groups.all_stay(Present(index), exact)
        assert groups.all_stay(Present(index), near)
    Image.open(copies.dataset / "10_mochi" / "a.png").resize((300, 300)).save(
        copies.dataset / "10_mochi" / "c.png"
    )
    list(scan.run(copies))
    near = found(copies)[1]
    with Index(copies) as index:
        assert not groups.all_stay(Present(index), near)
