"""Translations of tags: shown in panels, found while typing; captions stay as they are."""

from pathlib import Path

import pytest
from textual.widgets import Input, Static

from prep.events import Doubt
from prep.ops.review.tags import DoubtfulTag
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tests.tui.test_completion import editor, offered
from tests.tui.test_images import caption
from tui import translating_app
from tui.dialogs.settings import Settings
from tui.preferences import read_preferences, save_preference
from tui.screens.review.texts import meaning
from tui.widgets.line_list import ItemList
from tui.widgets.tag_chips import TagChips
from tui.widgets.tag_panel import TagPanel

DOUBT = DoubtfulTag(
    kind="doubt",
    images=("a.png",),
    basis=frozenset(),
    importance=5,
    title="top hat?",
    reason="",
    doubt=Doubt("a.png", "top hat", "near", 0.4, 0.35, False, 0.1),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (file := tmp_path / "tags.csv").write_text("top_hat,シルクハット\nhair_bow,髪リボン\n")
    return file


@pytest.fixture
def hats(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="top hat, solo")
    make_image("10_mochi/b.png", 2)
    return project


def chips(opened: Opened) -> str:
    found = opened.app.screen_stack[0].query_one(TagChips)
    return "".join(found.render_line(y).text for y in range(found.content_size.height))


def counted(opened: Opened) -> str:
    found = opened.app.screen_stack[0].query_one(TagPanel)
    return "".join(found.render_line(y).text for y in range(1, found.count + 1))


async def test_they_are_shown_and_found_by(hats: Project, file: Path) -> None:
    save_preference("translations", str(file))
    async with running(hats, (160, 44)) as opened:
        await opened.until(lambda: "top hat·シルクハット" in chips(opened))
        await opened.until(lambda: "top hat  シルクハット" in counted(opened))
        assert "solo·" not in chips(opened)
        await opened.press("f")
        await opened.until(lambda: opened.app.screen.query_one(TagChips).has_focus)
        told = opened.app.screen.query_one(TagChips).border_subtitle
        assert str(told).startswith("シルクハット · ")
        await opened.press("escape", "down", "e")
        await opened.type("はっと")
        await opened.until(lambda: offered(opened) == ["top hat シルクハット · 1 image"])
        await opened.press("tab", "ctrl+s")
        await opened.until(lambda: caption(hats, "b") == "top hat")
        assert editor(opened).text == "top hat"
        await opened.press("escape", "a")
        await opened.type("hair bow")
        await opened.until(lambda: "+hair bow·髪リボン" in previewed(opened))
        assert meaning(opened.app.session, DOUBT) == "シルクハット"


def previewed(opened: Opened) -> str:
    found = opened.app.screen.query_one("#diffs", ItemList)
    return "".join(found.render_line(y).text for y in range(found.size.height))


async def test_a_file_is_chosen_in_the_settings(hats: Project, file: Path, tmp_path: Path) -> None:
    async with running(hats, (160, 44)) as opened:
        await opened.pilot.press("P")
        await opened.until(lambda: isinstance(opened.app.screen, Settings))
        field = opened.app.screen.query_one("#translations", Input)
        hint = opened.app.screen.query_one("#translations-hint", Static)
        field.focus()
        field.value = str(tmp_path / "nothing.csv")
        await opened.press("enter")
        await opened.until(lambda: "There is no file of translations" in str(hint.content))
        assert not read_preferences().preferences.translations
        field.value = str(file)
        await opened.press("enter")
        await opened.until(lambda: "2 translations" in str(hint.content))
        assert read_preferences().preferences.translations == str(file)
        await opened.until(lambda: "シルクハット" in chips(opened))
        field.value = ""
        await opened.press("enter")
        await opened.until(lambda: "シルクハット" not in chips(opened))
        assert not read_preferences().preferences.translations


async def test_what_cannot_be_read_is_told_and_ends_nothing(hats: Project, file: Path) -> None:
    save_preference("translations", str(file))
    file.write_text("solo,0,5000000,\n")
    async with running(hats) as opened:
        await opened.until(lambda: any("has no translations" in one for one in opened.notices))
        assert "top hat" in chips(opened)


async def test_who_has_none_reads_none(hats: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    read = list[object]()
    monkeypatch.setattr(translating_app, "read_translations", read.append)
    async with running(hats) as opened:
        await opened.until(lambda: opened.app.session.scanned)
    assert read == []
