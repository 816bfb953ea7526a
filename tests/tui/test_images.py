from collections.abc import Callable
from pathlib import Path

import pytest
from textual.widgets import Button, Input, Static

from prep.dataset.index import Index
from prep.project import Project
from tests.tui.driving import Opened, running
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.question import Question
from tui.widgets.caption_editor import CaptionEditor
from tui.widgets.image_list import ImageList
from tui.widgets.line_list import ItemList

MakeImage = Callable[..., Path]


@pytest.fixture
def three(project: Project, make_image: MakeImage) -> Project:
    """Three images: two captioned, one not."""
    make_image("10_mochi/a.png", 1, caption="cat, hat")
    make_image("10_mochi/b.png", 2, caption="cat, long hair")
    make_image("10_mochi/c.png", 3)
    return project


def caption(project: Project, name: str) -> str | None:
    file = project.dataset / "10_mochi" / f"{name}.txt"
    return file.read_text("utf-8") if file.exists() else None


def shown(opened: Opened) -> list[str]:
    images = opened.app.screen.query_one(ImageList)
    with Index(opened.app.session.project) as index:
        return [Path(row.path).stem for row in index.rows(list(images.ids))]


async def test_editing_saves_atomically_and_undo_takes_it_back(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type(", smile")
        editor = opened.app.screen.query_one(CaptionEditor)
        assert editor.unsaved
        assert "unsaved" in str(editor.border_subtitle)
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: caption(three, "a") == "cat, hat, smile")
        await opened.until(lambda: not editor.unsaved)
        await opened.press("escape", "u")
        await opened.until(lambda: caption(three, "a") == "cat, hat")
        await opened.until(lambda: editor.text == "cat, hat")
        await opened.press("ctrl+r")
        await opened.until(lambda: caption(three, "a") == "cat, hat, smile")


async def test_a_first_caption_makes_a_file_and_an_emptied_one_removes_it(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("G", "e")
        await opened.type("sleepy")
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: caption(three, "c") == "sleepy")
        await opened.pilot.press(*["backspace"] * 6, "ctrl+s")
        await opened.until(lambda: caption(three, "c") is None)


async def test_typed_text_survives_moving_on(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type("!")
        await opened.press("escape", "down")
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "cat, long hair")
        await opened.press("up")
        await opened.until(lambda: editor.text == "cat, hat!")
        assert caption(three, "a") == "cat, hat"


async def test_quitting_with_unsaved_text_asks(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type("!")
        await opened.pilot.press("escape", "q")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.press("enter")
        await opened.until(lambda: not isinstance(opened.app.screen, Question))
        assert opened.app.is_running


async def test_a_file_changed_elsewhere_is_not_clobbered(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type("!")
        (three.dataset / "10_mochi" / "a.txt").write_text("dog", "utf-8")
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        assert caption(three, "a") == "dog"
        await opened.pilot.click("#mine")
        await opened.until(lambda: caption(three, "a") == "cat, hat!")
        await opened.press("escape", "u")
        await opened.until(lambda: caption(three, "a") == "dog")


async def test_theirs_can_be_taken(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("e")
        await opened.type("!")
        (three.dataset / "10_mochi" / "a.txt").write_text("dog", "utf-8")
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        await opened.pilot.click("#theirs")
        await opened.until(lambda: not isinstance(opened.app.screen, Question))
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.until(lambda: editor.text == "dog")
        assert (editor.unsaved, caption(three, "a")) == (False, "dog")


async def test_the_filter_shows_what_matches_and_where_its_fault_is(three: Project) -> None:
    async with running(three) as opened:
        await opened.pilot.press("slash")
        await opened.type("cat -hat")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 1)
        assert shown(opened) == ["b"]
        field = opened.app.screen.query_one("#filter", Input)
        field.value = "has:nothing"
        fault = opened.app.screen.query_one("#filter-fault", Static)
        await opened.until(lambda: fault.display)
        assert "^" in str(fault.content)
        field.value = ""
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 3)
        assert not fault.display


async def test_a_tag_in_the_list_of_tags_filters(three: Project) -> None:
    async with running(three, size=(170, 40)) as opened:
        counts = opened.app.screen.query_one("#tag-counts", ItemList)
        assert counts.count == 3
        counts.focus()
        await opened.press("end", "enter")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 1)
        assert shown(opened) == ["b"]
        await opened.press("enter")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 3)


async def test_the_caption_that_is_edited_can_be_seen(three: Project) -> None:
    async with running(three, size=(80, 24)) as opened:
        editor = opened.app.screen.query_one(CaptionEditor)
        for keys in ("t", "mt"):
            await opened.press(*keys, "escape", "e")
            await opened.until(lambda: opened.app.focused is editor)
            await opened.until(lambda: editor.region.area)
            await opened.press("escape")


async def test_adding_a_tag_to_selected_images_previews_first(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("space", "down", "space")
        await opened.pilot.press("a")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        dialog = opened.app.screen
        await opened.type("smile")
        await opened.until(lambda: dialog.query_one("#diffs", ItemList).count == 2)
        assert "2 of 2" in str(dialog.query_one("#count", Static).content)
        assert caption(three, "a") == "cat, hat"
        await opened.pilot.press("enter")
        await opened.until(lambda: caption(three, "a") == "cat, hat, smile")
        await opened.until(lambda: caption(three, "c") == "smile")
        assert caption(three, "b") == "cat, long hair"


@pytest.mark.parametrize(
    ("key", "fields", "after"),
    [
        ("d", {"tag": "cat"}, "hat"),
        ("c", {"tag": "cat", "new": "kitten"}, "kitten, hat"),
        ("w", {"tag": "hat"}, "hat, cat"),
    ],
)
async def test_other_changes_of_tags(
    three: Project, key: str, fields: dict[str, str], after: str
) -> None:
    async with running(three) as opened:
        await opened.press("space")
        await opened.pilot.press(key)
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        dialog = opened.app.screen
        for name, text in fields.items():
            dialog.query_one(f"#{name}", Input).value = text
        await opened.until(lambda: dialog.query_one("#diffs", ItemList).count == 1)
        await opened.until(lambda: not dialog.query_one("#apply", Button).disabled)
        await opened.pilot.click("#apply")
        await opened.until(lambda: caption(three, "a") == after)


async def test_backing_out_of_a_change_changes_nothing(three: Project) -> None:
    async with running(three) as opened:
        await opened.pilot.press("a")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        await opened.type("smile")
        await opened.pilot.press("escape")
        await opened.until(lambda: not isinstance(opened.app.screen, EditTags))
        assert caption(three, "a") == "cat, hat"


async def test_excluding_and_taking_in_again(three: Project) -> None:
    def excluded() -> list[str]:
        with Index(three) as index:
            return [Path(row.path).stem for row in index.select("excluded:yes")]

    async with running(three) as opened:
        await opened.press("asterisk", "x")
        await opened.until(lambda: excluded() == ["a", "b", "c"])
        await opened.press("escape", "x")
        await opened.until(lambda: excluded() == ["b", "c"])
        await opened.press("u", "u")
        await opened.until(lambda: excluded() == [])


async def test_range_selection(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("space", "down", "v")
        assert len(opened.app.screen.query_one(ImageList).marked) == 3


async def test_an_empty_folder_says_what_to_do(tmp_path: Path) -> None:
    async with running(Project.open(tmp_path)) as opened:
        empty = opened.app.screen.query_one("#empty", Static)
        assert empty.display
        assert {"O", "I"} <= set(str(empty.content).split())
        assert {"O", "I"} <= opened.app.screen.active_bindings.keys()


async def test_new_files_are_noticed(three: Project, make_image: MakeImage) -> None:
    async with running(three) as opened:
        make_image("10_mochi/d.png", 4)
        await opened.press("r")
        await opened.until(lambda: opened.app.screen.query_one(ImageList).count == 4)


async def test_a_broken_image_is_listed_with_the_reason(three: Project) -> None:
    (three.dataset / "10_mochi" / "z.png").write_bytes(b"no picture")
    async with running(three) as opened:
        await opened.press("G")
        about = opened.app.screen.query_one("#about", Static)
        await opened.until(lambda: "cannot be used" in str(about.content))
        assert opened.app.screen.query_one(CaptionEditor).disabled


async def test_the_first_scan_leaves_the_keys_with_the_list(three: Project) -> None:
    async with running(three) as opened:
        images = opened.app.screen.query_one(ImageList)
        await opened.until(lambda: opened.app.screen.focused is images)


async def test_the_selection_survives_filtering(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("space", "space")
        images = opened.app.screen.query_one(ImageList)
        field = opened.app.screen.query_one("#filter", Input)
        field.value = "hat"
        await opened.until(lambda: images.count == 1)
        assert images.targets == [images.ids[0]]
        status = opened.app.screen.query_one("#list-status", Static)
        assert "2 selected (1 not shown)" in str(status.content)
        field.value = ""
        await opened.until(lambda: images.count == 3)
        assert sorted(images.marked) == sorted(images.ids[:2])


async def test_an_id_that_is_used_again_is_not_selected(
    three: Project, make_image: MakeImage
) -> None:
    async with running(three) as opened:
        await opened.press("G", "space")
        images = opened.app.screen.query_one(ImageList)
        (three.dataset / "10_mochi" / "c.png").unlink()
        await opened.press("r")
        await opened.until(lambda: images.count == 2)
        make_image("10_mochi/d.png", 4)
        await opened.press("r")
        await opened.until(lambda: images.count == 3)
        assert images.marked == set()


async def test_a_range_begins_at_an_image_not_at_a_row(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("down", "space")
        images = opened.app.screen.query_one(ImageList)
        (three.dataset / "10_mochi" / "a.png").unlink()
        await opened.press("r")
        await opened.until(lambda: images.count == 2)
        await opened.press("G", "v")
        assert images.marked == set(images.ids)


async def test_an_image_that_leaves_the_filter_stays_while_it_is_edited(three: Project) -> None:
    async with running(three) as opened:
        opened.app.screen.query_one("#filter", Input).value = "-done"
        images = opened.app.screen.query_one(ImageList)
        await opened.until(lambda: images.count == 3)
        await opened.press("down", "e")
        await opened.type(", done")
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: images.held is not None)
        editor = opened.app.screen.query_one(CaptionEditor)
        await opened.type(", x")
        assert editor.path.endswith("b.png")
        assert shown(opened) == ["a", "b", "c"]
        await opened.pilot.press("ctrl+s")
        await opened.until(lambda: caption(three, "b") == "cat, long hair, done, x")
        await opened.press("escape", "down")
        assert shown(opened) == ["a", "c"]
        assert images.row is not None
        assert images.row.path.endswith("c.png")
        assert caption(three, "c") is None


async def test_save_and_next_walks_through_what_is_left(three: Project) -> None:
    async with running(three) as opened:
        opened.app.screen.query_one("#filter", Input).value = "-done"
        images = opened.app.screen.query_one(ImageList)
        await opened.until(lambda: images.count == 3)
        await opened.press("e")
        for _ in range(3):
            await opened.type(", done")
            await opened.press("ctrl+n")
        await opened.until(lambda: caption(three, "c") is not None)
        assert [caption(three, name) for name in "ab"] == ["cat, hat, done", "cat, long hair, done"]


@pytest.mark.parametrize(
    ("keys", "after"),
    [
        (("w",), ["lily, cat", "mochi, cat, hat", "mochi, cat, long hair", "mochi", "cat"]),
        (("space", "w"), ["lily, cat", "cat, hat", "cat, long hair", "", "cat"]),
    ],
    ids=["all", "one"],
)
async def test_a_trigger_belongs_to_its_concept(
    three: Project, make_image: MakeImage, keys: tuple[str, ...], after: list[str]
) -> None:
    files = [make_image(f"{name}.png", 4, caption="cat") for name in ("5_lily/d", "misc/e")]
    files[1:1] = [three.dataset / "10_mochi" / f"{name}.png" for name in "abc"]
    words = {"10_mochi": {"trigger": "mochi"}, "5_lily": {"trigger": "lily"}}
    project = three.saved({"concepts": words})
    async with running(project) as opened:
        await opened.press(*keys)
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        dialog = opened.app.screen
        await opened.until(lambda: not dialog.query_one("#apply", Button).disabled)
        await opened.pilot.click("#apply")
        texts = [file.with_suffix(".txt") for file in files]
        await opened.until(
            lambda: [text.read_text() if text.exists() else "" for text in texts] == after
        )
