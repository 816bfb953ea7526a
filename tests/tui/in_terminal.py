"""Run the application in a terminal of its own: a pty, with somebody at its other end."""

import os
import re
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import pytest

from tests.waiting import ended, wait_for

pytest.importorskip("fcntl")
import fcntl
import pty
import termios

ROOT = Path(__file__).resolve().parent.parent.parent
ENTERED, LEFT = r"\x1b\[\?1049h", r"\x1b\[\?1049l"
"""What switches a terminal to the alternate screen, and back."""
_START = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # so that closing the other end hangs up
from tui.cli import main
sys.exit(main())
"""
_MULTIPLEXERS = ("TMUX", "STY", "TEXTUAL_DRIVER")


class Application:
    """The application, all that it has written, and hands on its keyboard.

    Attributes:
        written: All that it has written.
    """

    def __init__(
        self,
        folder: Path,
        *options: str,
        size: tuple[int, int] = (140, 40),
        code: str = _START,
        answers: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it.

        Args:
            folder: The project.
            options: Further arguments of the command line.
            size: Columns and lines of the terminal.
            code: What Python runs.
            answers: What the terminal answers to what it is asked.
            environment: Additional variables.
        """
        self.written = ""
        self._seen = 0
        self._answers, self._answered = answers or {}, 0
        self._terminal, inside = pty.openpty()
        self._open = True
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("4H", size[1], size[0], 0, 0))
        environ = {name: text for name, text in os.environ.items() if name not in _MULTIPLEXERS}
        environ |= {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONPATH": str(ROOT)}
        environ |= {"TEXTUAL_ANIMATIONS": "none", **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, str(folder), *options],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env=environ,
            start_new_session=True,
        )
        os.close(inside)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return it; the end of the block kills it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kill it."""
        self.end()

    def _read(self) -> None:
        with suppress(OSError):  # what Linux says when the other end is closed
            while more := os.read(self._terminal, 1 << 16):
                self.written += more.decode("utf-8", "replace")
                for question, answer in self._answers.items():
                    asked = self.written.count(question, self._answered)
                    os.write(self._terminal, (answer * asked).encode())
                self._answered = len(self.written)

    def shows(self, pattern: str, since: int | None = None) -> "re.Match[str]":
        """Wait until it writes something, after the last key and what was waited for before.

        Args:
            pattern: A regular expression.
            since: Search from here instead, as ``press`` returned it.
        """
        start = self._seen if since is None else since
        wanted = re.compile(pattern, re.DOTALL)
        found: list[re.Match[str]] = []

        def there() -> bool:
            reading = self._reader.is_alive()
            if match := wanted.search(self.written, start):
                found.append(match)
            assert found or reading, f"ended without {pattern!r}; {self.written[-500:]!r}"
            return bool(found)

        wait_for(there)
        self._seen = max(self._seen, found[0].end())
        return found[0]

    def press(self, keys: str) -> int:
        """Type, and return how much it had written by then."""
        self._seen = len(self.written)
        os.write(self._terminal, keys.encode())
        return self._seen

    def hang_up(self) -> None:
        """Close the terminal, as a lost connection does."""
        if self._open:
            self._open = False
            os.close(self._terminal)

    def ended(self) -> int:
        """Wait until it has ended and written all; return its exit code."""
        wait_for(lambda: not self._reader.is_alive())
        return ended(self.process)

    def end(self) -> None:
        """Kill it, if it runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.ended()
        self.hang_up()
