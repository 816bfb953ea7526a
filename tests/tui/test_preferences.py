"""Theme and keys of a person: read with its faults, kept with its comments, in force."""

import re
from pathlib import Path

import pytest
from textual.widgets import Static

from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import running
from tui.preferences import keymap, preferences_file, read_preferences, save_preference


def write(text: str) -> Path:
    file = preferences_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_without_a_file_nothing_is_said() -> None:
    found = read_preferences()
    assert found.faults == ()
    assert found.preferences.theme == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("theme = ", "terminal.toml"),
        ("tehme = 'light'", "theme"),
        ("[keys.images]\nexclude = 5", "keys"),
    ],
)
def test_a_broken_file_is_told_and_ends_nothing(text: str, words: str) -> None:
    file = write(text)
    (fault,) = read_preferences().faults
    assert words in fault
    assert str(file) in fault


def test_a_file_that_cannot_be_read_is_left_alone() -> None:
    file = write("theme = ")
    save_preference("theme", "light")
    assert file.read_text() == "theme = "


def test_a_theme_is_remembered_beside_what_a_person_wrote() -> None:
    file = write('# mine\n[keys.images]\nexclude = "delete" # with one finger\n')
    save_preference("theme", "light")
    assert read_preferences().preferences.theme == "light"
    assert "# mine" in file.read_text()
    assert "# with one finger" in file.read_text()
    file.unlink()
    save_preference("theme", "dark")
    assert read_preferences().preferences.theme == "dark"


def test_keys_by_scope_and_command() -> None:
    found, faults = keymap({"images": {"exclude": "delete,x"}, "app": {"undo": "ctrl+z"}})
    assert found == {"images.exclude": "delete,x", "app.undo": "ctrl+z"}
    assert faults == []


def test_unknown_commands_and_keys_are_named() -> None:
    found, faults = keymap({"images": {"exlude": "x", "edit": "two words"}})
    assert found == {}
    assert faults == [
        "There is no command images.exlude. Did you mean images.exclude?",
        "'two words' for images.edit is not a key, such as x, delete or ctrl+x.",
    ]


def test_a_key_that_means_two_things_is_named() -> None:
    _, faults = keymap({"images": {"exclude": "e"}})
    assert faults == ["e is both images.edit and images.exclude: only one of them works."]


async def test_own_keys_and_theme_are_in_force(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/a.png", 1, caption="cat")
    list(scan.run(project))
    write('theme = "light"\n[keys.images]\nexclude = "delete"\n')
    async with running(project) as opened:
        assert opened.app.theme == "light"
        await opened.press("x")
        assert excluded(project) == 0
        await opened.press("delete")
        await opened.until(lambda: excluded(project) == 1)
        await opened.press("question_mark")
        shown = str(opened.app.screen.query_one(Static).content)
        assert re.search(r"delete +Exclude images", shown)
        opened.app.theme = "high-contrast"
        await opened.until(lambda: read_preferences().preferences.theme == "high-contrast")


async def test_faults_are_told(project: Project) -> None:
    write('theme = "pink"\n[keys.images]\nexlude = "delete"\n')
    async with running(project) as opened:
        assert any("no theme pink" in notice for notice in opened.notices)
        assert any("images.exlude" in notice for notice in opened.notices)


def excluded(project: Project) -> int:
    with Index(project) as index:
        row = index.get("dataset/10_mochi/a.png")
        return int(row is not None and row.excluded is not None)
