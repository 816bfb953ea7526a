"""The application in a terminal that shows pictures: a pty, with somebody at its other end."""

import re

import pytest
from PIL import Image

from prep.project import Project
from tests.tui import sixel_decoder
from tests.tui.in_terminal import LEFT, Application

CELL = (8, 16)
SIXEL = r"\x1bP0;1q.*?\x1b\\"


def shown(project: Project, attributes: str, kitty: str = "") -> Application:
    """Start the application in a terminal that can draw, with cells of a known size."""
    answers = {
        "\x1b_Gi=31": kitty,
        "\x1b[16t": f"\x1b[6;{CELL[1]};{CELL[0]}t",
        "\x1b[?1;1;0S": "\x1b[?1;0;64S",
        "\x1b[c": attributes,
    }
    return Application(project.root, size=(120, 30), answers=answers)


@pytest.fixture
def pictured(project: Project) -> Project:
    folder = project.dataset / "10_mochi"
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in (("a", (204, 0, 51)), ("b", (0, 102, 204))):
        Image.new("RGB", (320, 160), colour).save(folder / f"{name}.png")
    return project


def test_sixel_pictures_follow_the_cursor_and_dialogs(pictured: Project) -> None:
    with shown(pictured, "\x1b[?62;4;22c") as app:
        first = sixel_decoder.decode(app.shows(SIXEL)[0])
        assert first.shape[1] % CELL[0] == first.shape[0] % CELL[1] == 0
        assert {tuple(pixel) for pixel in first.reshape(-1, 3).tolist()} == {(204, 0, 51)}
        app.press("j")
        while sixel_decoder.decode(app.shows(SIXEL)[0])[0, 0].tolist() != [0, 102, 204]:
            pass
        app.press("?")
        dialog = app.shows("esc closes")
        back = app.press("\x1b")
        assert sixel_decoder.decode(app.shows(SIXEL)[0])[0, 0].tolist() == [0, 102, 204]
        assert "\x1bP" not in app.written[dialog.start() : back]
        app.press("q")
        app.shows(LEFT)
        assert app.ended() == 0


def test_kitty_pictures_are_taken_away(pictured: Project) -> None:
    with shown(pictured, "\x1b[?62;c", "\x1b_Gi=31;OK\x1b\\") as app:
        app.shows(r"a=p,i=\d+,")
        typed = app.press("?")
        app.shows("esc closes")
        number = re.findall(r"a=p,i=(\d+),", app.written)[-1]
        app.shows(rf"a=d,d=i,i={number},", since=typed)
        app.press("\x1b")
        number = app.shows(r"a=p,i=(\d+),")[1]
        app.press("q")
        app.shows(rf"a=d,d=I,i={number},")
        app.shows(LEFT)
        assert app.ended() == 0


def test_what_is_typed_before_the_start_is_not_lost(pictured: Project) -> None:
    with shown(pictured, "?\x1b[?62;4;22c") as app:
        app.shows("esc closes")
