"""Keys that arrive together do what they do one by one."""

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from prep.dataset.index import Index
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.question import Question
from tui.key_order import KeyOrder
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.image_list import ImageList

_CHARACTERS = {"space": " ", "comma": ",", "slash": "/", "asterisk": "*"}


def burst(opened: Opened, *keys: str) -> None:
    """Send keys in one go, as a slow connection does."""
    for key in keys:
        character = _CHARACTERS.get(key, key if len(key) == 1 else None)
        opened.app.post_message(events.Key(key, character))


@pytest.fixture
def many(project: Project, make_image: MakeImage) -> Project:
    for number in range(40):
        make_image(f"10_mochi/{number:02}.png", number, caption="cat")
    return project


def excluded(project: Project) -> list[str]:
    with Index(project) as index:
        return [Path(row.path).stem for row in index.select("excluded:yes")]


async def test_editing_keys_keep_their_place_among_letters(many: Project) -> None:
    async with running(many) as opened:
        burst(opened, "slash", *"wd", "backspace", "backspace", *"demo", "left", "left", *"xx")
        field = opened.app.screen.query_one("#filter", Input)
        await opened.until(lambda: field.value == "dexxmo")


async def test_an_x_that_follows_an_e_is_typed(many: Project) -> None:
    async with running(many) as opened:
        burst(opened, "space", "G", "e", "x", "backspace", "comma", "x", "escape", "k", "e", "y")
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "caty")
        await opened.settled()
        assert {Path(path).stem: d.text for path, d in opened.app.session.drafts.items()} == {
            "39": "cat,x",
            "38": "caty",
        }
    assert excluded(many) == []


async def test_letters_go_into_the_dialog_that_a_key_opens(many: Project) -> None:
    async with running(many) as opened:
        burst(opened, "a", *"xqx")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        await opened.until(lambda: opened.app.screen.query_one("#tag", Input).value == "xqx")
    assert excluded(many) == []


async def test_a_filter_that_was_sent_gives_the_keys_back(many: Project) -> None:
    async with running(many) as opened:
        burst(opened, "slash", *"cat", "enter", "j", "j")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).cursor == 2)
        assert opened.app.screen.query_one("#filter", Input).value == "cat"


async def test_a_stage_key_in_a_burst_moves_the_keys_after_it(many: Project) -> None:
    async with running(many) as opened:
        burst(opened, "5", "x", "1", "j", "x")
        await opened.until(lambda: excluded(many) == ["01"])


async def test_what_is_selected_off_the_screen_is_excluded_only_after_a_question(
    many: Project,
) -> None:
    async with running(many, (100, 24)) as opened:
        await opened.press("space", "G", "space")
        await opened.pilot.press("x")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.press("enter")
        await opened.until(lambda: excluded(many) == ["39"])
        await opened.press("u")
        await opened.until(lambda: excluded(many) == [])
        await opened.pilot.press("x")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click("#all")
        await opened.until(lambda: excluded(many) == ["00", "39"])


async def test_nothing_hidden_by_the_filter_is_excluded(many: Project) -> None:
    async with running(many) as opened:
        await opened.press("space")
        opened.app.screen.query_one("#filter", Input).value = "name:3"
        images = opened.app.screen.query_one(ImageList)
        await opened.until(lambda: images.count < 40)
        await opened.press("x")
        assert any("None of the selected" in notice for notice in opened.notices)
        assert (excluded(many), len(images.marked)) == ([], 1)


async def test_a_key_that_is_still_sinking_in_does_not_hold_up_the_end(many: Project) -> None:
    async with running(many) as opened:
        keys = KeyOrder(opened.app, opened.app.on_event)
    assert not opened.app.screen_stack
    await keys.go_on()
