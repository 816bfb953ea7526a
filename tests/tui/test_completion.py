"""What is offered while a caption is typed, and its tokens."""

import pytest

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tests.tui.test_images import caption
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.completions import Completions


@pytest.fixture
def words(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1)
    make_image("10_mochi/b.png", 2, caption="hair bow, hat, chair")
    make_image("10_mochi/c.png", 3, caption="hair bow")
    (project.root / "tags.csv").write_text(
        'long_hair,0,3400000,"longhair,very_hairy"\nhair_ribbon,0,12345,""\n', "utf-8"
    )
    return project.saved({"vocabulary": {"files": ["tags.csv"]}})


def offered(opened: Opened) -> list[str]:
    found = opened.app.screen.query_one(Completions)
    lines = [found.render_line(y).text for y in range(found.count)] if found.display else []
    return [" ".join(line.split()) for line in lines]


def editor(opened: Opened) -> CaptionEditor:
    return opened.app.screen.query_one(CaptionEditor)


async def test_tags_are_offered_at_every_comma_and_taken_with_tab(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("e")
        await opened.type("smile, hair")
        await opened.until(lambda: len(offered(opened)) == 4)
        assert offered(opened) == [
            "hair bow 2 images",
            "long hair 3.4M posts",
            "hair ribbon 12k posts",
            "chair 1 image",
        ]
        await opened.press("down", "down", "tab")
        assert editor(opened).text == "smile, hair ribbon"
        assert offered(opened) == []
        await opened.type(", longh")
        await opened.until(lambda: offered(opened) == ["long hair 3.4M posts · for longhair"])
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: caption(words, "a") == "smile, hair ribbon, longh")


async def test_enter_and_arrows_stay_those_of_the_text(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("e")
        await opened.type("ha")
        await opened.until(lambda: offered(opened))
        await opened.press("enter")  # nothing was chosen
        assert editor(opened).text == "ha\n"
        await opened.type("ha")
        await opened.until(lambda: offered(opened))
        taken = opened.app.screen.query_one(Completions)._found[1].tag
        await opened.press("down", "enter")
        assert editor(opened).text == f"ha\n{taken}"


async def test_an_offer_leads_no_key_elsewhere(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("e", "tab")
        assert opened.app.focused is editor(opened)
        await opened.type("hair")
        await opened.until(lambda: offered(opened))
        await opened.press("escape")
        assert opened.app.focused is not editor(opened)
        assert offered(opened) == []


async def test_nothing_is_offered_inside_a_tag_or_without_typing(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("j", "e")
        assert offered(opened) == []
        await opened.pilot.press("home")
        await opened.type("ha")
        await opened.settled()
        assert offered(opened) == []  # "ha|hair bow": in front of the letters of another
        await opened.press("escape")
        assert opened.app.focused is not editor(opened)


async def test_tags_that_are_there_are_not_offered_and_text_is_not_covered(words: Project) -> None:
    async with running(words, (80, 24)) as opened:
        await opened.press("j", "e")
        await opened.type(", h")
        await opened.until(lambda: offered(opened))
        assert [
            line for line in offered(opened) if line.startswith(("hair bow", "hat", "chair"))
        ] == []
        popup = opened.app.screen.query_one(Completions).region
        assert opened.app.screen.region.contains_region(popup)
        assert editor(opened).cursor_screen_offset.y not in range(popup.y, popup.bottom)


async def test_what_is_offered_disappears_with_the_focus(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("e")
        await opened.type("hair")
        await opened.until(lambda: offered(opened))
        await opened.press("ctrl+down")
        await opened.until(lambda: editor(opened).text == "hair bow, hat, chair")
        await opened.until(lambda: not offered(opened))


async def test_tokens_are_counted_against_the_limit(words: Project) -> None:
    async with running(words) as opened:
        await opened.press("j")
        await opened.until(lambda: "6/75 tokens" in str(editor(opened).border_title))
        await opened.press("e")
        editor(opened).insert(", hat" * 40)
        await opened.until(lambda: "! 86/75 tokens" in str(editor(opened).border_title))
        editor(opened).insert("\n" + "more " * 40)
        await opened.until(lambda: "! 86/75 tokens" in str(editor(opened).border_title))
