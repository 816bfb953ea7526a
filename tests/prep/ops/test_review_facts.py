"""What is kept of the dataset as a whole while questions are judged again and again."""

from collections.abc import Iterator

import pytest

from prep.curation.checks.view import DatasetView
from prep.curation.review import Decision, present
from prep.curation.review.present import Facts
from prep.dataset.index import Index
from prep.dataset.journal.changes import exclusion
from prep.dataset.journal.edits import Journal
from prep.ops import review, scan
from prep.project import Project
from prep.training_set.trainers import Trainer
from tests.prep.pictures import busy

WRONG = "dataset/10_mochi/wrong.png"


@pytest.fixture
def index(project: Project) -> Iterator[Index]:
    """A caption with a misspelt tag, and one that is no text."""
    folder = project.dataset / "10_mochi"
    for number, name in enumerate(("a", "b", "c", "d", "e", "f", "wrong", "bytes")):
        busy(number, (64, 64)).save(folder / f"{name}.png")
        tag = "smlie" if name == "wrong" else "smile"
        (folder / f"{name}.txt").write_text(f"mochi, {tag}", "utf-8")
    (folder / "bytes.txt").write_bytes(b"mochi, \xff")
    list(scan.run(project))
    with Index(project) as opened:
        yield opened


def asked(index: Index) -> list[Decision]:
    steps = review.search(index, ("check", "spelling"))
    return [step for step in steps if isinstance(step, Decision)]


def kinds(found: list[Decision]) -> set[str]:
    return {decision.kind for decision in found}


def test_the_dataset_is_looked_at_once_until_something_is_edited(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, facts, looks = asked(index), Facts(), list[Index]()

    def looked(index: Index, trainer: Trainer) -> DatasetView:
        looks.append(index)
        return DatasetView(index, trainer)

    monkeypatch.setattr(present, "DatasetView", looked)
    for _ in range(3):
        assert kinds(review.still_open(index, found, facts)) == {"check", "spelling"}
    assert len(looks) == 1
    with Index(index.project) as other:
        Journal(other).apply("x", [exclusion(WRONG, None, "by hand")])
    left = review.still_open(index, found, facts)
    assert "spelling" not in kinds(left)
    assert len(looks) == 2


def test_what_another_program_has_mended_is_noticed_with_new_facts(index: Index) -> None:
    found = asked(index)
    assert any("bytes.txt" in decision.reason for decision in found)
    (index.project.dataset / "10_mochi" / "bytes.txt").write_text("mochi", "utf-8")
    list(scan.run(index.project))
    left = review.still_open(index, found, Facts())
    assert not any("bytes.txt" in decision.reason for decision in left)
