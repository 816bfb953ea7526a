"""Whose colours are shown: the terminal's own, or none."""

import pytest
from rich.color import Color, ColorType

from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.driving import Opened, running
from tui.commands import STAGE_KEYS
from tui.widgets.picture import Picture


def colours(opened: Opened) -> set[Color]:
    """Return the colours that are sent to the terminal, but for those of pictures."""
    screen, found = opened.app.screen, set()
    for y, strip in enumerate(screen._compositor.render_strips()):
        x = 0
        for text, style, _ in strip:
            place, x = x, x + len(text)
            widget, _ = screen.get_widget_at(min(place, screen.size.width - 1), y)
            if style is not None and not isinstance(widget, Picture):
                found |= {colour for colour in (style.color, style.bgcolor) if colour}
    return found


async def test_the_ansi_theme_has_the_colours_of_the_terminal(
    project: Project, make_image: MakeImage
) -> None:
    make_image("10_mochi/beach.png", 1, caption="mochi")
    async with running(project, (100, 30)) as opened:
        opened.app.theme = "ansi"
        seen: set[Color] = set()
        for mode in ("images", "plan", "train"):
            await opened.go(mode)
            seen |= colours(opened)
        allowed = (ColorType.DEFAULT, ColorType.STANDARD)
        assert {colour for colour in seen if colour.type not in allowed} == set()
        assert Color.from_ansi(4) in seen


async def test_no_color_means_greys(
    project: Project, make_image: MakeImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    make_image("10_mochi/beach.png", 1, caption="mochi")
    async with running(project, (100, 30)) as opened:
        for mode in STAGE_KEYS:
            await opened.go(mode)
            shown = {colour.get_truecolor() for colour in colours(opened)}
            assert len(shown) > 3
            assert all(max(each) - min(each) <= 1 for each in shown), mode
