"""The settings screen: what is chosen holds, and is kept."""

import os
from pathlib import Path

import pytest
from textual.widgets import Select, Static

from prep import language
from prep.project import Project
from tests.tui.driving import running
from tui.dialogs.settings import Settings
from tui.language_choice import VARIABLE, use_preferred_language
from tui.preferences import preferences_file, read_preferences


async def test_choices_are_kept_at_once_and_comments_stay(project: Project) -> None:
    file = preferences_file()
    file.parent.mkdir(parents=True)
    file.write_text('# mine\nimages = "half"\n[keys.images]\nexclude = "delete"\n')
    async with running(project) as opened:
        await opened.pilot.press("P")
        await opened.until(lambda: isinstance(opened.app.screen, Settings))
        screen = opened.app.screen
        assert screen.query_one("#images", Select).value == "half"
        assert "images.exclude  delete" in str(screen.query_one("#keys-text", Static).content)
        assert file.read_text().startswith("# mine\nimages = ")  # opening it changes nothing
        screen.query_one("#theme", Select).value = "light"
        screen.query_one("#images", Select).value = "quadrants"
        screen.query_one("#language", Select).value = "en"
        await opened.until(lambda: read_preferences().preferences.language == "en")
        await opened.until(lambda: read_preferences().preferences.theme == "light")
        assert opened.app.theme == "light"
        assert read_preferences().preferences.images == "quadrants"
        assert read_preferences().preferences.keys == {"images": {"exclude": "delete"}}
        assert file.read_text().startswith("# mine\n")
        await opened.press("escape")
        assert not isinstance(opened.app.screen, Settings)


@pytest.fixture
def japanese(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the languages that are used from now on; Japanese is there."""
    used: list[str] = []
    monkeypatch.setattr(language, "available", lambda: ("en", "ja"))
    monkeypatch.setattr(language, "use", used.append)
    monkeypatch.delenv(VARIABLE, raising=False)
    return used


@pytest.mark.parametrize(
    ("text", "used"),
    [('language = "ja"', ["ja"]), ('language = "xx"', []), ("language = 3", []), ("[", [])],
)
def test_the_chosen_language_is_used(
    text: str, used: list[str], japanese: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = preferences_file()
    file.parent.mkdir(parents=True)
    Path(file).write_text(text)
    use_preferred_language()
    assert japanese == used
    assert os.environ.pop(VARIABLE, None) == (used[0] if used else None)
    monkeypatch.setenv(VARIABLE, "en")
    use_preferred_language()
    assert japanese == used  # the environment says more
