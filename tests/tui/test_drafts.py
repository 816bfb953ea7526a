"""What is typed is never lost: not by a crash, not by a lost connection, not by leaving."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from prep.dataset import work_db
from prep.dataset.drafts import Draft, DraftStore
from prep.dataset.index import Index
from prep.dataset.journal.changes import move
from prep.dataset.journal.edits import Journal
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import running
from tests.tui.in_terminal import Application
from tests.waiting import wait_for
from tui.dialogs.question import Question
from tui.widgets.caption_editor import CaptionEditor

PATH = "dataset/10_mochi/a.png"


@pytest.fixture
def pair(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="cat")
    make_image("10_mochi/b.png", 2, caption="hat")
    list(scan.run(project))
    return project


def kept(project: Project) -> dict[str, Draft]:
    store = DraftStore(project)
    try:
        return store.read()
    finally:
        store.close()


async def test_a_draft_is_offered_again_until_it_is_saved(pair: Project) -> None:
    async with running(pair) as opened:
        await opened.press("e")
        await opened.type("!")
        await opened.until(lambda: kept(pair) == {PATH: Draft("cat", "cat!")})
    async with running(pair) as opened:
        assert any("a.png: typed earlier" in notice for notice in opened.notices)
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "cat!" and editor.unsaved)
        await opened.press("e")
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: kept(pair) == {})
    assert (pair.root / PATH).with_suffix(".txt").read_text() == "cat!"


@pytest.mark.parametrize(
    ("answer", "left"), [("leave", {PATH: Draft("cat", "cat!")}), ("discard", {})]
)
async def test_leaving_keeps_drafts_unless_told_otherwise(
    pair: Project, answer: str, left: dict[str, Draft]
) -> None:
    async with running(pair) as opened:
        await opened.press("e")
        await opened.type("!")
        await opened.pilot.press("escape", "q")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click(f"#{answer}")
        await opened.until(lambda: not opened.app.is_running)
    assert kept(pair) == left


async def test_a_draft_that_was_saved_elsewhere_is_none(pair: Project) -> None:
    store = DraftStore(pair)
    store.write({PATH: Draft(None, "cat")}, [])
    store.close()
    async with running(pair) as opened:
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "cat" and not editor.unsaved)
        await opened.until(lambda: kept(pair) == {})


def test_a_draft_goes_with_its_image(pair: Project) -> None:
    store = DraftStore(pair)
    store.write({PATH: Draft("cat", "cat!")}, [])
    store.close()
    with Index(pair) as index:
        Journal(index).apply("move", [move(PATH, "dataset/10_mochi/z.png")])
    assert kept(pair) == {"dataset/10_mochi/z.png": Draft("cat", "cat!")}


def test_a_project_without_work_db_gets_none_by_asking(tmp_path: Path) -> None:
    assert kept(Project.open(tmp_path)) == {}
    assert not (tmp_path / ".shikomi").exists()


async def test_drafts_that_cannot_be_kept_are_told_once(pair: Project) -> None:
    async with running(pair) as opened:
        with sqlite3.connect(pair.state / "work.db") as connection:
            connection.execute("DROP TABLE drafts")
        connection.close()
        await opened.press("e")
        await opened.type("!?")
        await opened.until(lambda: any("cannot be kept" in text for text in opened.notices))
        assert opened.app.screen.query_one(CaptionEditor).text == "cat!?"
        assert sum("cannot be kept" in text for text in opened.notices) == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, None])
def test_a_draft_survives_the_end_of_the_process(
    pair: Project, number: signal.Signals | None
) -> None:
    with Application(pair.root) as app:
        app.shows("a.png")
        app.press("e, typed")
        app.shows("unsaved")
        if number == signal.SIGKILL:  # a write takes milliseconds, and the screen is quicker
            wait_for(lambda: kept(pair))
        if number is None:
            app.hang_up()
        else:
            app.process.send_signal(number)
        app.ended()
    draft = kept(pair)[PATH]
    assert draft.text.startswith("cat,")


def test_applications_replace_only_their_own_drafts(pair: Project) -> None:
    first, second = DraftStore(pair), DraftStore(pair)
    first.write({PATH: Draft("cat", "cat, one")}, [])
    second.write({PATH: Draft("cat", "cat, two")}, [])
    first.write({PATH: Draft("cat", "cat, one!")}, [])
    assert kept(pair) == {PATH: Draft("cat", "cat, one!")}  # the newest
    first.write({}, [PATH])  # saved
    assert kept(pair) == {PATH: Draft("cat", "cat, two")}
    first.close()
    third = DraftStore(pair)  # begun later: it was offered this one
    third.read()
    third.write({}, [PATH])
    assert kept(pair) == {}
    for store in (second, third):
        store.close()


def test_drafts_of_an_older_version_are_still_there(pair: Project) -> None:
    before = next(n for n, sql in enumerate(work_db.MIGRATIONS) if "single_drafts" in sql)
    (pair.state / "work.db").unlink()
    with closing(sqlite3.connect(pair.state / "work.db")) as connection:
        connection.executescript("".join(work_db.MIGRATIONS[:before]))
        connection.execute("INSERT INTO drafts VALUES(?, 'cat', 'cat!')", (PATH,))
        connection.execute(f"PRAGMA user_version={before}")
        connection.commit()
    assert kept(pair) == {PATH: Draft("cat", "cat!")}
