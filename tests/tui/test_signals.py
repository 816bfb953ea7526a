"""The application in a real terminal that is ended from outside."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_ENTERED, _LEFT = b"\x1b[?1049h", b"\x1b[?1049l"
"""What switches a terminal to the alternate screen, and back."""


def read_until(terminal: int, wanted: bytes) -> bytes:
    """Return what the application writes, up to a text; all of it if that never comes."""
    seen = b""
    while wanted not in seen:
        try:
            seen += (more := os.read(terminal, 1 << 16))
        except OSError:  # the other end was closed
            break
        if not more:
            break
    return seen


@contextmanager
def opened(folder: Path, code: str = "") -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Start the application in a terminal; yield it with the terminal's other end."""
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "30", "COLUMNS": "100"}
    begin = ["-c", code] if code else ["-m", "tui.cli", str(folder)]
    with subprocess.Popen(
        [sys.executable, *begin],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=environment,
        start_new_session=True,
    ) as app:
        os.close(inside)
        try:
            assert _ENTERED in read_until(terminal, _ENTERED)
            read_until(terminal, b"No images")
            yield app, terminal
        finally:
            app.kill()
            with suppress(OSError):
                os.close(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_at_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with opened(tmp_path) as (app, terminal):
        app.send_signal(number)
        assert _LEFT in read_until(terminal, _LEFT)
        read_until(terminal, b"never written")
        assert app.wait() == 128 + number


def test_a_terminal_that_closes_without_a_word_ends_the_application(tmp_path: Path) -> None:
    with opened(tmp_path) as (app, terminal):
        os.close(terminal)
        assert app.wait() == 128 + signal.SIGHUP


def test_what_holds_the_application_up_does_not_hold_the_end_up(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from tui import app, cli, leaving\n"
        "leaving.SECONDS = 0.2\n"
        "app.ShikomiApp.exit = lambda *_: None\n"
        f"sys.argv[1:] = [{str(tmp_path)!r}]\n"
        "sys.exit(cli.main())\n"
    )
    with opened(tmp_path, code) as (app, _):
        app.send_signal(signal.SIGTERM)
        assert app.wait() == 128 + signal.SIGTERM
