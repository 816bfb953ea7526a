"""Commands and typing: which of the two keys do is always to be seen, and never surprises."""

import pytest
from textual.widgets import Input

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tui.commands import STAGE_KEYS
from tui.widgets.job_strip import JobStrip
from tui.widgets.line_list import takes_text


@pytest.fixture
def one(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="cat")
    return project


def badge(opened: Opened) -> str:
    return opened.app.screen.query_one(JobStrip).render_line(0).text.split("  ")[0].strip()


def values(opened: Opened) -> list[str]:
    return [field.value for field in opened.app.screen.query(Input)]


@pytest.mark.parametrize("mode", STAGE_KEYS)
async def test_a_stage_opens_in_command_mode_and_panel_keys_stay_in_it(
    one: Project, mode: str
) -> None:
    async with running(one) as opened:
        await opened.go(mode)
        await opened.go("images")
        await opened.go(mode)
        before = values(opened)
        assert badge(opened).startswith("COMMANDS")
        await opened.press("l", "l", "l", "h", "h", "l", "right", "right", "left")
        assert not takes_text(opened.app.screen.focused)
        assert values(opened) == before


@pytest.mark.parametrize("key", ["slash", "e"])
async def test_typing_is_shown_and_function_keys_leave_it(one: Project, key: str) -> None:
    async with running(one) as opened:
        await opened.press(key)
        assert badge(opened).startswith("TYPING")
        await opened.press("5")
        assert opened.app.current_mode == "images"
        await opened.press("f5")
        assert opened.app.current_mode == "plan"
        assert badge(opened).startswith("COMMANDS")


async def test_escape_leads_from_a_form_to_commands(one: Project) -> None:
    for size in ((140, 40), (80, 24)):
        async with running(one, size) as opened:
            await opened.go("train")
            opened.app.screen.query_one("#field-rank", Input).focus()
            await opened.until(lambda: badge(opened).startswith("TYPING"))
            await opened.press("escape")
            assert badge(opened).startswith("COMMANDS")
            await opened.press("1")
            assert opened.app.current_mode == "images"


async def test_panels_are_reached_by_their_keys(one: Project) -> None:
    async with running(one, (170, 40)) as opened:
        first = opened.app.screen.focused
        for panel in ("#chips", "#tag-counts"):
            await opened.press("l")
            assert opened.app.screen.focused is opened.app.screen.query_one(panel)
        await opened.press("f1")
        for _ in range(2):
            await opened.press("h")
        assert opened.app.screen.focused is first
