"""Leaving from outside: signals, and terminals that are gone.

What is typed is in ``work.db`` by then, and edits are journalled, so that even the hardest end
loses nothing.
"""

import asyncio
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from typing import Any

from textual.app import App

SECONDS = 10.0
"""How long the application may take to end by itself after a signal."""
_LOOK = 2.0
"""Seconds between two looks whether the terminal is still there."""


def leave_when_told(app: App[Any]) -> None:
    """End the application on SIGTERM and SIGHUP, and when its terminal has closed.

    Textual restores the terminal on its way out. Should anything hold it up, the process ends
    all the same.
    """
    if app.is_headless:
        return
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        with suppress(NotImplementedError):  # Windows
            if number is not None:
                loop.add_signal_handler(number, _leave, app, 128 + number)
    if hasattr(select, "poll"):

        def look() -> None:
            if not _terminal_is_there():
                _leave(app, 128 + signal.SIGHUP)

        app.set_interval(_LOOK, look)


def _leave(app: App[Any], code: int) -> None:
    end = threading.Timer(SECONDS, os._exit, (code,))
    end.daemon = True
    end.start()
    app.exit(None, code)


def _terminal_is_there() -> bool:
    """Return whether anybody is at the other end of the standard input.

    A terminal that was closed tells nobody where the application has a session of its own.
    """
    poll = select.poll()
    poll.register(sys.__stdin__ or 0, 0)  # hang-ups are always reported
    return not any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))
