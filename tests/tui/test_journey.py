"""Going through many images with few keys."""

import stat
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input

from prep.dataset.index import Index
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tests.tui.test_images import caption, shown
from tests.tui.test_tags import names
from tui.dialogs.edit_tags import EditTags
from tui.dialogs.filters import SavedFilters
from tui.dialogs.question import Question
from tui.widgets.filter_bar import FilterBar
from tui.widgets.image_list import ImageList


@pytest.fixture
def five(project: Project, make_image: MakeImage) -> Project:
    for number, name in enumerate("abcde"):
        make_image(f"10_mochi/{name}.png", number, caption=None if name in "bd" else f"tag {name}")
    return project


def here(opened: Opened) -> str:
    row = opened.app.screen.query_one(ImageList).row
    return "" if row is None else Path(row.path).stem


def state(opened: Opened, line: int) -> str:
    return opened.app.screen.query_one(ImageList).render_line(line + 1).text


def marked(project: Project) -> set[str]:
    with Index(project) as index:
        return {Path(row.path).stem for row in index.select("reviewed:yes")}


async def test_the_next_image_without_tags_is_one_key_away(five: Project) -> None:
    async with running(five) as opened:
        for expected in "bdb":  # it goes round
            await opened.press("n")
            assert here(opened) == expected
        for name in "bd":
            (five.dataset / "10_mochi" / f"{name}.txt").write_text("tag", "utf-8")
        await opened.press("r")
        await opened.until(lambda: "written" in state(opened, 3))
        await opened.press("n")
        assert any("All images shown have tags" in notice for notice in opened.notices)
        assert here(opened) == "b"


async def test_a_reviewed_image_is_marked_until_its_caption_changes(five: Project) -> None:
    async with running(five) as opened:
        await opened.press("R")
        await opened.until(lambda: here(opened) == "b")
        await opened.until(lambda: "◆ reviewed" in state(opened, 0))
        await opened.press("R")
        await opened.until(lambda: here(opened) == "c")
        assert marked(five) == {"a", "b"}
        await opened.press("home", "N")
        assert here(opened) == "c"
        await opened.press("home", "f", "d")  # another caption: not the one that was reviewed
        await opened.until(lambda: "none" in state(opened, 0))
        assert marked(five) == {"b"}
        await opened.press("u", "u", "u")
        await opened.until(lambda: marked(five) == set())
        assert caption(five, "a") == "tag a"


async def test_several_are_marked_at_once_and_unmarked(five: Project) -> None:
    async with running(five) as opened:
        await opened.press("space", "space", "R")
        await opened.until(lambda: marked(five) == {"a", "b"})
        await opened.press("R")
        await opened.until(lambda: marked(five) == set())


async def test_a_selection_is_inverted_within_what_is_shown(five: Project) -> None:
    async with running(five) as opened:
        await opened.press("space", "i")
        images = opened.app.screen.query_one(ImageList)
        assert images.targets == list(images.ids)[1:]
        opened.app.screen.query_one(FilterBar).set("has:tags")
        await opened.until(lambda: images.count == 3)
        await opened.press("i")
        assert [images.ids.index(number) for number in images.targets] == [0]
        assert len(images.marked) == 3  # a, and b and d, which are not shown


async def test_tags_are_copied_from_one_image_to_others(five: Project) -> None:
    async with running(five) as opened:
        await opened.press("Y")
        assert any("No tags are copied" in notice for notice in opened.notices)
        await opened.press("y", "j", "Y")
        await opened.until(lambda: caption(five, "b") == "tag a")
        await opened.press("j", "Y")
        await opened.until(lambda: caption(five, "c") == "tag c, tag a")
        await opened.press("u")
        await opened.until(lambda: caption(five, "c") == "tag c")
        await opened.press("space", "space")  # c and d
        await opened.pilot.press("Y")
        await opened.until(lambda: isinstance(opened.app.screen, EditTags))
        assert opened.app.screen.query_one("#tag", Input).value == "tag a"
        assert caption(five, "d") is None


async def test_filters_are_saved_used_and_deleted(five: Project) -> None:
    async with running(five) as opened:
        opened.app.screen.query_one(FilterBar).set("-has:tags")
        await opened.until(lambda: shown(opened) == ["b", "d"])
        await opened.press("F")
        assert isinstance(opened.app.screen, SavedFilters)
        await opened.type("to do")
        await opened.press("enter")
        await opened.until(
            lambda: Project.open(five.root).settings.filters == {"to do": "-has:tags"}
        )
        await opened.press("escape", "escape")
        await opened.until(lambda: len(shown(opened)) == 5)
        await opened.press("F", "enter")
        await opened.until(lambda: shown(opened) == ["b", "d"])
        await opened.press("F", "d")
        await opened.until(lambda: Project.open(five.root).settings.filters == {})


def editor_that(folder: Path, script: str) -> str:
    file = folder / "editor"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)
    return str(file)


async def test_another_editor_writes_the_caption(
    five: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EDITOR", editor_that(tmp_path, 'echo "tag a, more" > "$1"'))
    monkeypatch.delenv("VISUAL", raising=False)
    async with running(five) as opened:
        monkeypatch.setattr(type(opened.app), "suspend", lambda _self: nullcontext())
        await opened.press("E")
        await opened.until(lambda: caption(five, "a") == "tag a, more")
        assert names(opened) == ["tag a", "more"]
        await opened.press("u")
        await opened.until(lambda: caption(five, "a") == "tag a")


async def test_a_caption_that_changed_meanwhile_is_asked_about(
    five: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = five.dataset / "10_mochi" / "a.txt"
    script = f'echo mine > "$1"; printf theirs > "{file}"'
    monkeypatch.setenv("VISUAL", editor_that(tmp_path, script))
    async with running(five) as opened:
        monkeypatch.setattr(type(opened.app), "suspend", lambda _self: nullcontext())
        await opened.pilot.press("E")
        await opened.until(lambda: isinstance(opened.app.screen, Question))
        assert caption(five, "a") == "theirs"
        await opened.pilot.click("#mine")
        await opened.until(lambda: caption(five, "a") == "mine")


async def test_without_an_editor_it_says_what_to_do(
    five: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    async with running(five) as opened:
        await opened.press("E")
        assert any("EDITOR=nano" in notice for notice in opened.notices)
        monkeypatch.setenv("EDITOR", "/no/such/editor")
        monkeypatch.setattr(type(opened.app), "suspend", lambda _self: nullcontext())
        await opened.press("E")
        assert any("/no/such/editor cannot be used" in notice for notice in opened.notices)
