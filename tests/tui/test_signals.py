"""The application in a real terminal that is ended from outside."""

import os
import pty
import signal
import subprocess
import sys
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_at_the_end(tmp_path: Path, number: signal.Signals) -> None:
    terminal, inside = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "LINES": "30", "COLUMNS": "100"}
    with subprocess.Popen(
        [sys.executable, "-m", "tui.cli", str(tmp_path)],
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=environment,
        start_new_session=True,
    ) as app:
        os.close(inside)
        try:
            seen = read_until(terminal, _ENTERED)
            assert _ENTERED in seen
            read_until(terminal, b"No images")
            app.send_signal(number)
            assert _LEFT in read_until(terminal, _LEFT)
            read_until(terminal, b"never written")
            assert app.wait() == 128 + number
        finally:
            app.kill()
            os.close(terminal)
