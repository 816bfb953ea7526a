"""The application in a terminal that shows pictures: a pty, with somebody at its other end."""

import os
import pty
import re
import select
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from prep.project import Project
from tests.tui import sixel_decoder

pytest.importorskip("fcntl")
import fcntl
import termios

ROOT = Path(__file__).resolve().parent.parent.parent
SIZE = (30, 120)
CELL = (8, 16)
_PATIENCE = 120.0
"""Seconds without any output after which the application counts as stuck."""


class FakeTerminal:
    """Runs the application, answers its questions, and keeps all that it writes."""

    def __init__(self, project: Project, attributes: str, kitty: str = "") -> None:
        self._answers = {
            "\x1b_Gi=31": kitty,
            "\x1b[16t": f"\x1b[6;{CELL[1]};{CELL[0]}t",
            "\x1b[?1;1;0S": "\x1b[?1;0;64S",
            "\x1b[c": attributes,
        }
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("4H", *SIZE, 0, 0))
        environ = {name: text for name, text in os.environ.items() if name not in ("TMUX", "STY")}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environ |= {"TEXTUAL_ANIMATIONS": "none", "PYTHONPATH": str(ROOT)}
        environ.pop("TEXTUAL_DRIVER", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", str(project.root)],
            stdin=slave, stdout=slave, stderr=slave, env=environ, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.written = ""
        self._answered = 0

    def until(self, pattern: str, start: int = 0) -> "re.Match[str]":
        """Read until something is written."""
        while (found := re.compile(pattern, re.DOTALL).search(self.written, start)) is None:
            ready = select.select([self.master], [], [], _PATIENCE)[0]
            assert ready, f"{pattern!r} never came; {self.written[-500:]!r}"
            try:
                some = os.read(self.master, 65536)
            except OSError:
                some = b""  # Linux says so when the other end is closed
            assert some, f"ended without {pattern!r}; {self.written[-500:]!r}"
            self.written += some.decode("utf-8", "replace")
            self._answer()
        return found

    def type(self, text: str) -> int:
        """Type, and return how much has been written by then."""
        os.write(self.master, text.encode())
        return len(self.written)

    def _answer(self) -> None:
        for question, answer in self._answers.items():
            asked = self.written.count(question, self._answered)
            os.write(self.master, (answer * asked).encode())
        self._answered = len(self.written)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def pictured(project: Project) -> Project:
    folder = project.dataset / "10_mochi"
    folder.mkdir(parents=True, exist_ok=True)
    for name, colour in (("a", (204, 0, 51)), ("b", (0, 102, 204))):
        Image.new("RGB", (320, 160), colour).save(folder / f"{name}.png")
    return project


def test_sixel_pictures_follow_the_cursor_and_dialogs(pictured: Project) -> None:
    terminal = FakeTerminal(pictured, "\x1b[?62;4;22c")
    sixel = r"\x1bP0;1q.*?\x1b\\"
    try:
        shown = sixel_decoder.decode(terminal.until(sixel)[0])
        assert shown.shape[1] % CELL[0] == shown.shape[0] % CELL[1] == 0
        assert {tuple(pixel) for pixel in shown.reshape(-1, 3).tolist()} == {(204, 0, 51)}
        found = terminal.until(sixel, terminal.type("j"))
        while sixel_decoder.decode(found[0])[0, 0].tolist() != [0, 102, 204]:
            found = terminal.until(sixel, found.end())
        dialog = terminal.until("esc closes", terminal.type("?"))
        back = terminal.type("\x1b")
        again = terminal.until(sixel, back)
        assert sixel_decoder.decode(again[0])[0, 0].tolist() == [0, 102, 204]
        assert "\x1bP" not in terminal.written[dialog.start() : back]
        terminal.type("q")
        terminal.until(r"\x1b\[\?1049l")
        assert terminal.process.wait(_PATIENCE) == 0
    finally:
        terminal.end()


def test_kitty_pictures_are_taken_away(pictured: Project) -> None:
    terminal = FakeTerminal(pictured, "\x1b[?62;c", "\x1b_Gi=31;OK\x1b\\")
    try:
        terminal.until(r"a=p,i=\d+,")
        typed = terminal.type("?")
        terminal.until("esc closes", typed)
        number = re.findall(r"a=p,i=(\d+),", terminal.written)[-1]
        terminal.until(rf"a=d,d=i,i={number},", typed)
        back = terminal.type("\x1b")
        number = terminal.until(r"a=p,i=(\d+),", back)[1]
        terminal.type("q")
        gone = terminal.until(rf"a=d,d=I,i={number},")
        terminal.until(r"\x1b\[\?1049l", gone.end())
        assert terminal.process.wait(_PATIENCE) == 0
    finally:
        terminal.end()


def test_what_is_typed_before_the_start_is_not_lost(pictured: Project) -> None:
    terminal = FakeTerminal(pictured, "?\x1b[?62;4;22c")
    try:
        terminal.until("esc closes")
    finally:
        terminal.end()
