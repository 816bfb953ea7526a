"""Choosing a project, making one, and importing: before anything is open."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.widgets import Button, Input, OptionList, Select, Static

from prep.project import Project
from prep.system.user_folder import user_folder
from tests.conftest import draw_numbered
from tests.tui.driving import running, until
from tui import opening
from tui.chooser import recent
from tui.chooser.app import ChooserApp, _action
from tui.chooser.dialogs import PathDialog
from tui.chooser.importing import ImportScreen
from tui.chooser.paths import completions, is_source, shared
from tui.tour import progress

SIZE = (110, 32)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    # Nobody is here for the first time.
    monkeypatch.setattr(progress, "read", progress.Progress)


def words(pilot: Pilot[Any], selector: str) -> str:
    return str(pilot.app.screen.query_one(selector, Static).content)


# ---- the list of projects ------------------------------------------------------------------


def test_projects_are_remembered_newest_first_and_not_too_many(tmp_path: Path) -> None:
    for number in range(recent.MOST + 5):
        recent.remember(tmp_path / str(number))
    recent.remember(tmp_path / "10")
    found = recent.recent()
    assert len(found) == recent.MOST
    assert found[:3] == [tmp_path / "10", tmp_path / "24", tmp_path / "23"]
    recent.forget(tmp_path / "24")
    assert recent.recent()[:2] == [tmp_path / "10", tmp_path / "23"]


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"projects": {"a": 1}}', '{"projects": [1, "a"]}']
)
def test_a_broken_list_is_an_empty_one(text: str) -> None:
    user_folder().mkdir(parents=True)
    (user_folder() / "recent.json").write_text(text)
    assert recent.recent() == []


def test_a_list_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    user_folder().parent.mkdir(parents=True, exist_ok=True)
    user_folder().write_text("a file where a folder should be")
    recent.remember(tmp_path)
    assert recent.recent() == []


def test_where_somebody_works(project: Project, tmp_path: Path) -> None:
    def made(name: str) -> Path:
        (file := tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file

    assert recent.is_worked_in(project.root)
    assert recent.is_worked_in(made("flat/a.PNG").parent)
    assert recent.is_worked_in(made("concepts/10_a/b.webp").parents[1])
    assert recent.is_worked_in(made("kept/dataset/5_a/b.jpg").parents[2])
    assert not recent.is_worked_in(made("notes/a.txt").parent)
    assert not recent.is_worked_in(made("home/Pictures/a.png").parents[1])
    assert not recent.is_worked_in(tmp_path / "nowhere")


# ---- paths -----------------------------------------------------------------------------------


def test_paths_are_completed(tmp_path: Path) -> None:
    for name in ("beach 10", "beach 2", ".hidden", "bad\x1b[31m", "bed\nroom"):
        (tmp_path / name).mkdir()
    (tmp_path / "beach.zip").touch()
    (tmp_path / "beach.txt").touch()
    root = str(tmp_path)
    assert completions(f"{root}/b") == [f"{root}/beach 2/", f"{root}/beach 10/"]
    assert completions(f"{root}/beach", is_source)[-1] == f"{root}/beach.zip"
    assert completions(f"{root}/be") == [f"{root}/beach 2/", f"{root}/beach 10/"]
    assert completions(f"{root}/.h") == [f"{root}/.hidden/"]
    assert completions(f"{root}/nothing/x") == []
    assert shared(completions(f"{root}/b")) == f"{root}/beach "


# ---- the screens -----------------------------------------------------------------------------


async def test_missing_projects_are_marked_and_forgotten(project: Project, tmp_path: Path) -> None:
    recent.remember(project.root)
    recent.remember(tmp_path / "gone")
    app = ChooserApp()
    async with app.run_test(size=SIZE) as pilot:
        projects = app.screen.query_one(OptionList)
        lines = [str(option.prompt) for option in projects.options]
        assert "× missing" in lines[0]
        assert "×" not in lines[1]
        await pilot.press("enter")
        await until(pilot, lambda: len(app._notifications))
        assert app.is_running
        await pilot.press("x", "enter")
        await until(pilot, lambda: app.return_value)
    assert app.return_value == project.root
    assert recent.recent() == [project.root]


async def test_a_folder_is_opened_by_its_path(project: Project) -> None:
    app = ChooserApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        field = app.screen.query_one("#path", Input)
        field.value = str(project.root.parent / "nowhere")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one("#fault").display)
        assert "does not exist" in words(pilot, "#fault")
        field.value = str(project.root)[:-2]
        field.cursor_position = len(field.value)
        await pilot.press("tab")
        await until(pilot, lambda: field.value == f"{project.root}/")
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value)
    assert app.return_value == project.root


async def test_a_project_is_made(tmp_path: Path) -> None:
    app = ChooserApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, PathDialog))
        app.screen.query_one("#path", Input).value = "my project"
        await pilot.press("enter")
        await until(pilot, lambda: app.return_value)
    assert app.return_value == tmp_path / "here" / "my project"
    made = Project.open(tmp_path / "here" / "my project")
    assert (made.settings.project.family, made.settings.project.resolution) == ("sdxl", 1024)


async def test_an_import_is_looked_at_first_then_made_then_opened(tmp_path: Path) -> None:
    image = tmp_path / "one.png"
    draw_numbered(1, (96, 64)).save(image)
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.write(image, "10_mochi/one.png")
        archive.writestr("10_mochi/one.txt", "mochi")
    target = tmp_path / "here" / "photos_project"
    app = ChooserApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        screen = app.screen
        take = screen.query_one("#take", Button)
        screen.query_one("#source", Input).value = str(tmp_path / "photos.zip")
        await until(pilot, lambda: screen.query_one("#target", Input).value == str(target))
        assert take.disabled
        await pilot.press("ctrl+t")  # looks first
        await until(pilot, lambda: not take.disabled)
        assert "1 image with 1 caption would be written" in words(pilot, "#import-state")
        assert "in zip" in words(pilot, "#import-state")
        assert "10_mochi/one.png" in words(pilot, "#import-lines")
        assert not target.exists()
        screen.query_one("#concept", Input).value = "5_other"
        await until(pilot, lambda: take.disabled)  # that was not looked at
        screen.query_one("#concept", Input).value = ""
        await until(pilot, lambda: not take.disabled)
        await pilot.press("ctrl+t")
        await until(pilot, lambda: not screen.query_one("#open", Button).disabled)
        assert (target / "dataset" / "10_mochi" / "one.txt").read_text() == "mochi"
        assert Project.open(target).settings.project.family == "sdxl"
        screen.query_one("#source", Input).value = str(image)
        await until(pilot, lambda: screen.query_one("#target", Input).value.endswith("one_project"))
        screen.query_one("#target", Input).value = str(target)
        await until(pilot, lambda: screen.query_one("#family", Select).disabled)
        assert "--family" not in words(pilot, "#import-command")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: app.return_value)
    assert app.return_value == target


async def test_what_cannot_be_imported_says_why(tmp_path: Path) -> None:
    app = ChooserApp()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press("i")
        await until(pilot, lambda: isinstance(app.screen, ImportScreen))
        app.screen.query_one("#source", Input).value = str(tmp_path / "nothing.zip")
        await until(pilot, lambda: "nothing_project" in words(pilot, "#import-command"))
        await pilot.press("ctrl+y")
        await until(pilot, lambda: "×" in words(pilot, "#import-state"))
        assert "does not exist" in words(pilot, "#import-state")
        assert app.screen.query_one("#take", Button).disabled


# ---- from one project to the next --------------------------------------------------------------


async def test_another_project_is_asked_for(project: Project) -> None:
    async with running(project) as opened:
        await opened.pilot.press("O")
        await opened.until(lambda: not opened.app.is_running)
    assert opened.app.another


def test_the_way_through_projects(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    choices: list[tuple[Path | None, int]] = [(project.root, 0), (None, 7)]
    answers: list[tuple[bool, Path | None, int]] = [(True, None, 0)]
    monkeypatch.setattr(opening, "_choose", lambda: choices.pop(0))

    def _open(found: Project, _terminal: object) -> tuple[bool, Path | None, int]:
        opened.append(found.root)
        return answers.pop(0)

    monkeypatch.setattr(opening, "_open", _open)
    assert opening.run(None) == 7  # chosen, opened, another wanted, none chosen
    assert opened == [project.root]
    assert json.loads((user_folder() / "recent.json").read_text()) == {
        "projects": [str(project.root)]
    }
    answers += [(True, project.root, 0), (False, None, 0)]
    monkeypatch.chdir(project.root)
    assert opening.run(None) == 0  # work goes on in the current folder
    assert opened == [project.root] * 3  # the last time because another one led to it


@pytest.mark.parametrize("title", ["Import…", "新しいプロジェクト…"])
def test_keys_stand_in_one_column(title: str) -> None:
    line = _action(title, "n", "text").plain
    assert cell_len(line[: line.index("n  text")]) == 21
