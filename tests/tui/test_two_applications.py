"""Two applications on one project, as two terminals have them: neither loses what the other did."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from prep.dataset.index import Index
from prep.ops import scan
from prep.project import Project
from tests.conftest import MakeImage
from tests.tui.test_drafts import kept
from tests.waiting import ended, wait_for

PATHS = ("dataset/10_mochi/a.png", "dataset/10_mochi/b.png")


class Application:
    """The application in a terminal of its own.

    Attributes:
        heard: All that it has written.
    """

    def __init__(self, project: Project) -> None:
        self._terminal, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        self.heard = b""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tui.cli", str(project.root), "--images", "none"],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inside)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.shows("saved")  # or unsaved: the caption is there to be edited

    def _read(self) -> None:
        with suppress(OSError):
            while more := os.read(self._terminal, 1 << 16):
                self.heard += more

    def shows(self, text: str) -> None:
        """Wait until it has written a text, and forget what came before."""
        wait_for(lambda: text.encode() in self.heard)
        self.heard = self.heard.partition(text.encode())[2]

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> None:
        if self.process.poll() is not None:
            return
        self.process.kill()
        ended(self.process)
        self._reader.join()
        os.close(self._terminal)


Open = Callable[[], Application]
SAVE = "\x13"
"""ctrl+s"""


@pytest.fixture
def shared(project: Project, make_image: MakeImage) -> Project:
    make_image("10_mochi/a.png", 1, caption="cat")
    make_image("10_mochi/b.png", 2, caption="hat")
    list(scan.run(project))
    return project


@pytest.fixture
def start(shared: Project) -> Iterator[Open]:
    started: list[Application] = []

    def one() -> Application:
        started.append(Application(shared))
        return started[-1]

    yield one
    for each in started:
        each.end()


def caption(project: Project, path: str) -> str:
    return (project.root / path).with_suffix(".txt").read_text()


def excluded(project: Project) -> set[str]:
    with Index(project) as index:
        return {row.path for row in index.select("excluded:yes")}


def test_each_writes_its_own_and_the_second_is_asked(shared: Project, start: Open) -> None:
    first, second = start(), start()
    first.press("e1" + SAVE)
    wait_for(lambda: caption(shared, PATHS[0]) == "cat1")
    second.press("e2" + SAVE)
    second.shows("Changed by another program")
    assert caption(shared, PATHS[0]) == "cat1"
    second.press("\r")  # the first answer: write mine
    wait_for(lambda: caption(shared, PATHS[0]) == "cat2")
    second.press("\x1b")
    second.shows("COMMANDS")
    second.press("x")
    wait_for(lambda: excluded(shared) == {PATHS[0]})
    assert caption(shared, PATHS[1]) == "hat"


def test_undo_of_what_the_other_did_is_asked(shared: Project, start: Open) -> None:
    first, second = start(), start()
    first.press("jx")
    wait_for(lambda: excluded(shared) == {PATHS[1]})
    second.press("u")
    second.shows("not made in this session")
    assert excluded(shared) == {PATHS[1]}
    second.press("\r")  # the first answer: back
    second.press("x")
    wait_for(lambda: excluded(shared) == set(PATHS))
    second.press("u")
    wait_for(lambda: excluded(shared) == {PATHS[1]})


def test_one_that_is_killed_leaves_its_draft_to_the_other(shared: Project, start: Open) -> None:
    first, second = start(), start()
    first.press("e draft")
    wait_for(lambda: [draft.text for draft in kept(shared).values()] == ["cat draft"])
    first.end()
    second.press("x")
    wait_for(lambda: excluded(shared) == {PATHS[0]})
    third = start()
    third.press("e" + SAVE)
    wait_for(lambda: caption(shared, PATHS[0]) == "cat draft")
