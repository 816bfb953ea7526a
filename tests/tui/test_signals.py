"""The application in a real terminal that is ended from outside."""

import signal
from pathlib import Path

import pytest

from tests.tui.in_terminal import ENTERED, LEFT, Application

_UNCONTROLLED = "import sys; from tui.cli import main; sys.exit(main())"
"""For the system, this terminal is nobody's: no signal is sent when it is closed."""
_HELD_UP = """
import sys
from tui import app, cli, leaving
leaving.SECONDS = 0.2
app.ShikomiApp.exit = lambda *_: None
sys.exit(cli.main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_terminal_is_restored_at_the_end(tmp_path: Path, number: signal.Signals) -> None:
    with Application(tmp_path) as app:
        app.shows(ENTERED)
        app.shows("No images")
        app.process.send_signal(number)
        app.shows(LEFT)
        assert app.ended() == 128 + number


def test_a_terminal_that_closes_without_a_word_ends_the_application(tmp_path: Path) -> None:
    with Application(tmp_path, code=_UNCONTROLLED) as app:
        app.shows("No images")
        app.hang_up()
        assert app.ended() == 128 + signal.SIGHUP


def test_what_holds_the_application_up_does_not_hold_the_end_up(tmp_path: Path) -> None:
    with Application(tmp_path, code=_HELD_UP) as app:
        app.shows("No images")
        app.process.send_signal(signal.SIGTERM)
        assert app.ended() == 128 + signal.SIGTERM
