"""The large picture: enlarged by keys and wheel, and drawn before it is wanted."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from textual.events import MouseScrollDown, MouseScrollUp

from prep.images import decode
from prep.project import Project
from tests.tui.driving import Opened, running
from tui.app import ShikomiApp
from tui.graphics.view import View
from tui.terminal import Terminal
from tui.widgets.picture import Picture

MakeImage = Callable[..., Path]


@pytest.fixture
def three(project: Project, make_image: MakeImage) -> Project:
    for number in range(3):
        make_image(f"10_mochi/{number}.png", number, (400, 300), "mochi")
    return project


def picture(opened: Opened) -> Picture:
    return opened.app.screen.query_one(Picture)


async def test_keys_enlarge_and_move(three: Project) -> None:
    async with running(three) as opened:
        await opened.press("z", "L", "J")
        view = picture(opened).view
        assert isinstance(view, View)
        assert view.zoom > 1.5
        assert view.x > 0.5
        assert view.y > 0.5
        await opened.press("z")
        assert picture(opened).view == View()
        await opened.press("plus")
        await opened.press("j")
        assert picture(opened).view == View()  # another image is shown whole
        shown = picture(opened)
        shown.show_text("no picture to show")
        shown.show("another", lambda: Image.new("RGB", (9, 9)))  # not drawn yet
        assert "no picture" not in shown.render_line(shown.size.height // 2).text


async def test_the_wheel_enlarges_the_place_under_the_pointer(three: Project) -> None:
    async with running(three) as opened:
        shown = picture(opened)
        left = (shown.size.width // 8, shown.size.height // 2)
        await opened.pilot._post_mouse_events([MouseScrollUp], shown, left, button=0)
        await opened.settled()
        view = shown.view
        assert isinstance(view, View)
        assert view.zoom == pytest.approx(1.25)
        assert view.x < 0.5
        await opened.pilot._post_mouse_events([MouseScrollDown], shown, left, button=0)
        await opened.settled()
        assert shown.view == View()


async def test_neighbours_are_drawn_before_they_are_wanted(
    three: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[str] = []

    def noted(file: Path) -> Image.Image:
        decoded.append(file.name)
        return decode(file)

    monkeypatch.setattr("tui.screens.images.screen.decode", noted)
    async with running(three) as opened:
        await opened.until(lambda: "1.png" in decoded)
        await opened.settled()
        decoded.clear()
        await opened.press("j")
        await opened.until(lambda: "2.png" in decoded)
        assert "1.png" not in decoded


async def test_pictures_can_be_off(three: Project) -> None:
    app = ShikomiApp(three, Terminal("none"))
    async with app.run_test(size=(140, 40)) as pilot:
        opened = Opened(app, pilot, [])
        await opened.settled()
        shown = picture(opened)
        text = shown.render_line(shown.size.height // 2).text
        assert "pictures are off" in text
