"""A terminal is asked what it can show: in a pty, with somebody at its other end."""

import os
import pty
import select
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from prep.project import Project
from tui import opening, preferences, terminal
from tui.app import ShikomiApp
from tui.terminal import Terminal, ask, detect

KITTY = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
Answer = Callable[[str], str]


@contextmanager
def pretending(answer: Answer) -> Iterator[int]:
    """Make a terminal that answers what is written to it; yields the file of its user."""
    master, slave = pty.openpty()
    ended = threading.Event()

    def live() -> None:
        while not ended.is_set():
            if select.select([master], [], [], 0.05)[0]:
                os.write(master, answer(os.read(master, 4096).decode()).encode())

    thread = threading.Thread(target=live)
    thread.start()
    try:
        yield slave
    finally:
        ended.set()
        thread.join()
        os.close(master)
        os.close(slave)


def asked(answer: Answer, patience: float = 60.0, *, kitty: bool = True) -> Terminal:
    with pretending(answer) as file:
        before = termios.tcgetattr(file)
        found = ask(file, file, kitty=kitty, patience=patience)
        assert termios.tcgetattr(file) == before
        assert not select.select([file], [], [], 0)[0]  # nothing is left to arrive as keys
        return found


def test_kitty_is_found() -> None:
    def answer(text: str) -> str:
        assert KITTY in text
        return "\x1b_Gi=31;OK\x1b\\\x1b[6;18;9t\x1b[?62;c"

    assert asked(answer) == Terminal("kitty", (9, 18))


def test_sixel_is_found_with_its_limits() -> None:
    def answer(text: str) -> str:
        found = "\x1b[?63;1;2;4;6c"
        if "\x1b[?1;1;0S" in text:
            return "\x1b[?1;0;16S\x1b[?2;0;1000;800S" + found
        return "\x1b[6;20;10t" + found

    assert asked(answer) == Terminal("sixel", (10, 20), 16, (1000, 800))


def test_limits_that_are_not_told_do_not_matter() -> None:
    def answer(text: str) -> str:
        return ("\x1b[?1;3;0S" if "S" in text else "") + "\x1b[?4;4c"

    assert asked(answer) == Terminal("sixel", (10, 20))


@pytest.mark.parametrize("attributes", ["1;2", "64;1;14;40", "4", "62;24"])
def test_other_terminals_draw_blocks(attributes: str) -> None:
    found = asked(lambda _: f"\x1b_Gi=31;ENOTSUP:no\x1b\\\x1b[?{attributes}c")
    assert found == Terminal("quadrants")


def test_other_questions_are_not_asked_of_other_terminals() -> None:
    heard: list[str] = []

    def answer(text: str) -> str:
        heard.append(text)
        return "\x1b[?1;2c"

    asked(answer, kitty=False)
    assert "".join(heard) == "\x1b[16t\x1b[c"


def test_what_is_typed_meanwhile_is_kept() -> None:
    found = asked(lambda _: "j\x1b[6;18;9tj\x1b[Aé\x1b[?62;4;22cx", kitty=False)
    assert (found.drawing, found.typed) == ("sixel", "jj\x1b[Aéxjj\x1b[Aéx")


def test_answers_in_pieces_are_put_together() -> None:
    master, slave = pty.openpty()
    try:
        thread = threading.Thread(
            target=lambda: _in_pieces(master, "\x1b_Gi=31;OK\x1b\\\x1b[?62;c")
        )
        thread.start()
        assert ask(slave, slave, patience=60.0).drawing == "kitty"
        thread.join()
    finally:
        os.close(master)
        os.close(slave)


def _in_pieces(master: int, text: str) -> None:
    os.read(master, 4096)
    for letter in text:
        os.write(master, letter.encode())


def test_a_silent_terminal_does_not_hold_anybody_up() -> None:
    assert asked(lambda _: "", patience=0.05) == Terminal("quadrants")


def test_the_user_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "ask", lambda *_, **__: pytest.fail("asked"))
    assert detect("half") == Terminal("half")
    assert detect("none") == Terminal("none")
    assert detect("sixel", {"TERM": "dumb"}) == Terminal("sixel")


def test_under_tmux_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda _: False)
    assert "tmux" in detect("auto", {"TERM": "tmux-256color", "TMUX": "/tmp/x"}).hint
    assert "no real pictures" in detect("auto", {"TERM": "xterm-256color"}).told
    assert "no real pictures" not in detect("quadrants").told


@pytest.mark.parametrize(("given", "used"), [("auto", "half"), ("sixel", "sixel")])
def test_a_preference_holds_where_nothing_else_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, given: terminal.ImageMode, used: str
) -> None:
    preferences.preferences_file().parent.mkdir(parents=True, exist_ok=True)
    preferences.preferences_file().write_text('images = "half"\n', "utf-8")
    drawn: list[str] = []
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(ShikomiApp, "run", lambda app: drawn.append(app.overlay.terminal.drawing))
    assert opening.run(project.root, given) == 0
    assert drawn == [used]
