"""Jump mode: letters on what can be focused."""

from textual.widgets import Input

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tui.dialogs.jump import Jump, targets


async def jumping(opened: Opened, key: str) -> Jump:
    await opened.pilot.press(key)
    await opened.until(lambda: isinstance(opened.app.screen, Jump))
    screen = opened.app.screen
    assert isinstance(screen, Jump)
    return screen


async def test_a_letter_goes_to_its_panel(project: Project, make_image: MakeImage) -> None:
    make_image("10_mochi/beach.png", 1)
    async with running(project, (100, 30)) as opened:
        stage = opened.app.screen
        found = targets(stage)
        letters = {widget.id: letter for letter, (widget, _) in found.items()}
        assert list(letters.values()) == list("abcdefghij"[: len(letters)])
        assert {"filter", "images", "caption"} <= set(letters)
        jump = await jumping(opened, "semicolon")
        marks = {str(mark.render()).strip(): mark.region for mark in jump.query(".jump-letter")}
        for letter, (_, region) in found.items():
            assert marks[letter].offset == region.offset
        await opened.press(letters["caption"] or "")
        assert opened.app.screen is stage
        assert stage.focused is not None
        assert stage.focused.id == "caption"
        await jumping(opened, "ctrl+g")  # also while typing
        await opened.press(letters["filter"] or "")
        assert isinstance(stage.focused, Input)


async def test_another_key_stays_and_does_nothing_else(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/beach.png", 1)
    async with running(project, (80, 24)) as opened:
        stage, before = opened.app.screen, opened.app.screen.focused
        for key in ("escape", "9", "Z"):
            await jumping(opened, "semicolon")
            await opened.press(key)
            assert opened.app.screen is stage
            assert stage.focused is before
            assert opened.app.current_mode == "images"
