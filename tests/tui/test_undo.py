"""Undo takes back what it names, and asks before it takes back what was not made here."""

import pytest
from textual.widgets import Input, Static

from prep.dataset.index import Index
from prep.dataset.journal.changes import CAPTION, Change
from prep.dataset.journal.edits import Journal
from prep.errors import RetryError
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import running
from tui.dialogs.question import Question

PATH = "dataset/10_mochi/a.png"


@pytest.fixture
def edited(project: Project, make_image: MakeImage) -> Project:
    """Return a project with an edit of an earlier session."""
    make_image("10_mochi/a.png", 1, caption="cat")
    list(scan.run(project))
    elsewhere(project, "add hat", "cat", "cat, hat")
    return project


def elsewhere(project: Project, title: str, before: str, after: str) -> None:
    with Index(project) as index:
        Journal(index).apply(title, [Change(PATH, CAPTION, before, after)])


def caption(project: Project) -> str:
    return (project.root / PATH).with_suffix(".txt").read_text()


def excluded(project: Project) -> int:
    with Index(project) as index:
        return len(index.ids("excluded:yes"))


async def test_what_was_made_here_is_undone_and_the_rest_is_asked(edited: Project) -> None:
    async with running(edited) as opened:
        await opened.press("x")
        await opened.until(lambda: excluded(edited) == 1)
        await opened.press("u")
        await opened.until(lambda: excluded(edited) == 0)
        assert opened.notices[-1].startswith("Undone: exclude 1 image (1 change)")
        await opened.pilot.press("u")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        text = str(opened.app.screen.query(Static).first().content)
        assert "add hat" in text
        await opened.pilot.press("enter")
        await opened.until(lambda: not isinstance(opened.app.screen, Question))
        assert caption(edited) == "cat, hat"
        await opened.press("ctrl+r")
        await opened.until(lambda: excluded(edited) == 1)


async def test_an_edit_of_another_application_is_asked(edited: Project) -> None:
    async with running(edited) as opened:
        await opened.press("x")
        await opened.until(lambda: excluded(edited) == 1)
        elsewhere(edited, "add scarf", "cat, hat", "cat, hat, scarf")
        await opened.pilot.press("u")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        # Meanwhile yet another one.
        elsewhere(edited, "add bow", "cat, hat, scarf", "cat, hat, scarf, bow")
        await opened.pilot.click("#yes")
        await opened.until(lambda: any("add bow" in notice for notice in opened.notices))
        assert (caption(edited), excluded(edited)) == ("cat, hat, scarf, bow", 1)


async def test_no_notice_offers_to_undo_an_undo(edited: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/b.png", 2)
    async with running(edited) as opened:
        await opened.press("asterisk", "x")
        await opened.until(lambda: excluded(edited) == 2)
        await opened.press("u")
        await opened.until(lambda: excluded(edited) == 0)
        offers = [notice for notice in opened.notices if "Press u to undo" in notice]
        assert offers == ["exclude 2 images: 2 images. Press u to undo."]


def test_only_what_was_expected_is_undone(edited: Project) -> None:
    with Index(edited) as index:
        journal = Journal(index)
        edit = journal.upcoming(undo=True)
        assert edit is not None
        assert journal.upcoming(undo=False) is None
        with pytest.raises(RetryError, match="add hat"):
            journal.undo(edit.id + 1)
        assert journal.undo(edit.id).title == "add hat"
        assert journal.upcoming(undo=True) is None


async def test_settings_that_a_run_saves_are_an_edit_like_others(
    edited: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr("tui.screens.tag.launch", lambda *_: started.append("tag"))
    async with running(edited) as opened:
        await opened.app.session.save_settings(
            "repeats", {"concepts": {"10_mochi": {"repeats": 3}}}
        )
        await opened.go("tag")
        opened.app.screen.query_one("#field-model", Input).value = "demo"
        await opened.press("ctrl+t")
        await opened.until(lambda: bool(started))
        assert Project.open(edited.root).settings.tagger.model == "demo"
        await opened.press("u")
        await opened.until(lambda: "Undone: set model demo" in opened.notices[-1])
        await opened.press("u")
        await opened.until(lambda: "Undone: repeats" in opened.notices[-1])
        assert not Project.open(edited.root).settings.tagger.model
        assert Project.open(edited.root).concept("10_mochi").repeats == 10
