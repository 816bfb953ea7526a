"""Tags of one image as chips, and those of all that are shown in the panel."""

import pytest
from textual.widgets import Button, Input, Static

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tests.tui.test_images import caption, shown
from tui.dialogs.edit_tags import EditTags, TagSuggester
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.filter_bar import FilterBar
from tui.widgets.image_list import ImageList
from tui.widgets.tag_chips import TagChips
from tui.widgets.tag_panel import TagPanel


@pytest.fixture
def three(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="mochi, hat, bow")
    make_image("10_mochi/b.png", 2, caption='mochi, hat, 12" doll')
    make_image("10_mochi/c.png", 3)
    return project.saved({"concepts": {"10_mochi": {"trigger": "mochi"}}})


def chips(opened: Opened) -> TagChips:
    return opened.app.screen.query_one(TagChips)


def text_of(opened: Opened) -> str:
    return "".join(strip.text for strip in chips(opened).render_lines(chips(opened).size.region))


def names(opened: Opened) -> list[str]:
    return [tag.tag for tag in chips(opened).tags]


async def test_a_tag_goes_with_one_key_and_comes_back_with_another(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("f", "l", "d")
        assert names(opened) == ["mochi", "bow"]
        await opened.until(lambda: caption(three, "a") == "mochi, bow")
        await opened.press("d", "d", "d")
        await opened.until(lambda: caption(three, "a") is None)
        await opened.press("u")
        await opened.until(lambda: caption(three, "a") == "mochi")
        await opened.press("u", "u")
        await opened.until(lambda: caption(three, "a") == "mochi, hat, bow")
        await opened.until(lambda: names(opened) == ["mochi", "hat", "bow"])


async def test_a_tag_moves_by_keys(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("f", "l", "L")
        await opened.until(lambda: caption(three, "a") == "mochi, bow, hat")
        assert chips(opened).cursor == 2
        await opened.press("L")  # there is no further place
        await opened.press("H", "H")
        await opened.until(lambda: caption(three, "a") == "hat, mochi, bow")


async def test_a_tag_is_dragged_with_the_mouse(three: Project) -> None:
    async with running(three) as opened:

        def at(chip: int) -> tuple[int, int]:
            placed = chips(opened)._chips[chip]
            return placed.left + 2, placed.line + 1  # inside the border

        await opened.pilot.mouse_down("#chips", offset=at(0))
        await opened.pilot.hover("#chips", offset=at(2))
        await opened.until(lambda: "◂" in text_of(opened))
        await opened.pilot.mouse_up("#chips", offset=at(2))
        await opened.until(lambda: caption(three, "a") == "hat, bow, mochi")


async def test_enter_shows_the_images_with_the_tag(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("f", "l", "l", "enter")
        await opened.until(lambda: shown(opened) == ["a"])
        opened.app.screen.query_one(FilterBar).set("")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 3)
        await opened.press("escape", "j", "f", "l", "l", "enter")
        await opened.until(lambda: shown(opened) == ["b"])


async def test_signs_and_words_say_who_wrote_a_tag(three: Project) -> None:
    async with running(three) as opened:
        await opened.until(lambda: [t.origin for t in chips(opened).tags][:2] == ["rule", "hand"])
        assert "⚙mochi" in text_of(opened)
        assert "✎hat" in text_of(opened)
        await opened.press("f", "l")
        assert str(chips(opened).border_subtitle) == "by hand"
        assert "[✎hat]" in text_of(opened)


async def test_what_is_not_saved_stays_so_when_a_chip_changes_it(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type(", smile")
        await opened.until(lambda: names(opened) == ["mochi", "hat", "bow", "smile"])
        await opened.press("escape", "f", "l", "d")
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "mochi, bow, smile")
        assert (editor.unsaved, caption(three, "a")) == (True, "mochi, hat, bow")


async def test_a_caption_changed_elsewhere_is_left_alone(three: Project) -> None:
    async with running(three) as opened:
        file = three.dataset / "10_mochi" / "a.txt"
        file.write_text("theirs", "utf-8")
        await opened.press("f", "d")
        await opened.until(lambda: any("changed by another" in n for n in opened.notices))
        await opened.until(lambda: names(opened) == ["theirs"])
        assert caption(three, "a") == "theirs"


async def test_a_small_screen_shows_chips_or_caption(three: Project) -> None:
    async with running(three, (80, 24)) as opened:
        editor = opened.app.screen.query_one(CaptionEditor)
        assert editor.region.area
        assert not chips(opened).region.area
        await opened.press("f")
        assert chips(opened).region.area
        assert not editor.region.area
        await opened.press("escape")
        assert editor.region.area


# ---- all tags ----------------------------------------------------------------------------


def panel(opened: Opened) -> TagPanel:
    return opened.app.screen.query_one(TagPanel)


def lines(opened: Opened) -> list[str]:
    found = (panel(opened).render_line(y).text.rstrip() for y in range(panel(opened).count + 1))
    return [" ".join(line.split()) for line in found]


async def test_tags_are_counted_in_what_is_selected(three: Project) -> None:
    async with running(three, (170, 40)) as opened:
        assert lines(opened) == ["tags of what is shown", "2 hat", "2 mochi", '1 12" doll', "1 bow"]
        await opened.press("space")
        await opened.until(lambda: lines(opened)[0] == "tags of 1 selected")
        assert lines(opened)[1:] == ["1 bow", "1 hat", "1 mochi"]


async def test_marked_tags_are_merged_after_a_look(three: Project) -> None:
    async with running(three, (170, 40)) as opened:
        panel(opened).focus()
        await opened.press("space", "j", "j", "space")  # hat and bow
        assert "▪" in panel(opened).render_line(1).text
        await opened.press("M")
        assert isinstance(opened.app.screen, EditTags)
        await opened.until(lambda: not opened.app.screen.query_one("#apply", Button).disabled)
        assert opened.app.screen.query_one("#new", Input).value == "hat"
        assert "1 of 3" in str(opened.app.screen.query_one("#count", Static).content)
        assert caption(three, "a") == "mochi, hat, bow"
        await opened.press("enter")
        await opened.until(lambda: caption(three, "a") == "mochi, hat")
        await opened.until(lambda: lines(opened)[1:] == ["2 hat", "2 mochi", '1 12" doll'])
        await opened.press("u")
        await opened.until(lambda: caption(three, "a") == "mochi, hat, bow")


async def test_a_tag_is_renamed_and_deleted_from_the_panel(three: Project) -> None:
    async with running(three, (170, 40)) as opened:
        panel(opened).focus()
        await opened.press("c")
        await opened.type("cap")
        await opened.until(lambda: not opened.app.screen.query_one("#apply", Button).disabled)
        await opened.press("enter")
        await opened.until(lambda: caption(three, "b") == 'mochi, cap, 12" doll')
        await opened.until(lambda: panel(opened).tag == "cap")
        await opened.press("d")
        await opened.until(lambda: not opened.app.screen.query_one("#apply", Button).disabled)
        await opened.press("enter")
        await opened.until(lambda: caption(three, "a") == "mochi, bow")


async def test_the_last_of_several_tags_is_completed() -> None:
    suggester = TagSuggester(["long hair", "hat"])
    assert await suggester.get_suggestion("Long") == "Long hair"
    assert await suggester.get_suggestion("bow, ha") == "bow, hat"
    assert await suggester.get_suggestion("bow, ") is None
