"""From a folder that nobody has looked at to a training run, in a real terminal, with few keys."""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from prep import demo_world
from prep.dataset.index import Index
from prep.project import Project
from tests.raw_folder import KURO, MOCHI, RIN, collect
from tests.waiting import wait_for

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_KEYS = 150
TRIGGERS = {RIN: "rinfox", MOCHI: "mochibear", KURO: "kurocat"}
"""In the order of the table of concepts."""
_WORKING = re.compile(r"measuring|comparing|looking|scanning|calculating")
_LOOK = 0.1
"""Seconds between two looks at a screen that may still be drawn."""
_AGAIN = 10.0
"""Seconds after which a key counts as not taken."""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Typist:
    """Sits in front of a tmux window: presses keys, counts them, and reads the screen."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-u", "-S", str(socket), "-f", os.devnull]
        self.keys = 0

    def tmux(self, *words: str) -> str:
        done = subprocess.run([*self._tmux, *words], capture_output=True, check=True)
        return done.stdout.decode()

    @property
    def screen(self) -> str:
        return self.tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names, each of which counts once."""
        self.keys += len(keys)
        self.tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self.keys += len(text)
        self.tmux("send-keys", "-l", "--", text)

    def until(self, pattern: str, without: str = r"\Z\A") -> str:
        """Wait until the screen shows one text and not another; return the screen."""
        shown = ""

        def there() -> bool:
            nonlocal shown
            time.sleep(_LOOK)  # looking all the time would count as progress, and never give up
            shown = self.screen
            return bool(re.search(pattern, shown)) and not re.search(without, shown)

        try:
            wait_for(there)
        except (AssertionError, subprocess.CalledProcessError) as error:
            raise AssertionError(f"{pattern!r} never came to:\n{shown}") from error
        return shown

    def at_rest(self) -> str:
        """Return the screen when two looks at it show the same: no frame is half drawn."""
        looks = ["", self.screen]

        def same() -> bool:
            time.sleep(_LOOK)
            looks.append(self.screen)
            return looks[-1] == looks[-2]

        wait_for(same)
        return looks[-1]

    @property
    def is_open(self) -> bool:
        return subprocess.run([*self._tmux, "has-session"], capture_output=True).returncode == 0


@contextmanager
def typing(project: Path) -> Iterator[Typist]:
    """Open the application in a terminal of its own."""
    words = [sys.executable, "-m", "tui.cli", str(project)]
    options = {"PYTHONPATH": str(ROOT), "COLORTERM": "truecolor", "SHIKOMI_LANG": "en"}
    options |= {"TEXTUAL_ANIMATIONS": "none"}
    unset = ["-u", "COLUMNS", "-u", "LINES"]  # the size is the window's
    command = shlex.join(
        ["env", *unset, *(f"{name}={text}" for name, text in options.items()), *words]
    )
    with tempfile.TemporaryDirectory(prefix="tmux", dir="/tmp") as folder:  # a short path
        typist = Typist(Path(folder) / "socket")
        typist.tmux("new-session", "-d", "-x", "160", "-y", "50", command)
        try:
            yield typist
        finally:
            if typist.is_open:
                typist.tmux("kill-server")


def decide_all(typist: Typist) -> None:
    """Answer every question of the review: copies go, everything else stays as it is."""
    typist.press("0")
    typist.until(r"▸all\s\d+", without=_WORKING.pattern)
    while left := questions(shown := typist.at_rest()):
        typist.press("y" if "n  keep all of them" in shown else "n")
        wait_for(partial(answered, typist, left, time.monotonic() + _AGAIN))


def answered(typist: Typist, left: int, until: float) -> bool:
    """Return whether it is time to look: what came up by itself is not answered, so press again."""
    return questions(typist.screen) != left or time.monotonic() > until


def questions(shown: str) -> int | None:
    """Return how many questions are left; nothing while the screen does not say so."""
    found = re.search(r"▸all\s(\d+)", shown)
    return int(found[1]) if found else None


def tag_all(typist: Typist) -> None:
    """Choose the tagger that comes along, and let it write the captions."""
    typist.press("4")
    typist.until("scope: all 60 images")
    typist.press("m")
    typist.until("comes with shikomi")
    typist.press("Enter")
    typist.until("● ✓ +demo")
    typist.press("C-t")
    typist.until("captions changed, u undoes it")


def plan(typist: Typist) -> None:
    """Give each concept a trigger word, put it into the captions, balance, and check."""
    typist.press("5")
    typist.until(re.escape(RIN) + r" +‹\(none\)›")
    for place, (folder, trigger) in enumerate(TRIGGERS.items()):
        if place:
            typist.press("j")
            typist.until(re.escape(folder) + r" +‹")
        typist.press("e")
        typist.until("TYPING")
        typist.type(trigger)
        typist.press("Enter")
        typist.until(f"Apply the caption rules · {re.escape(folder)} ")
        typist.until(r"\d+ of \d+ captions would change")
        typist.press("Enter")
        typist.until(r"apply caption rules: \d+ images", without="Apply the caption rules")
    typist.press("b")
    typist.until("Repeats: ")
    typist.press("c")
    typist.until("folders without repeats in their name")


def hashes(folder: Path) -> dict[str, str]:
    """Return the contents of everything in the concept folders but captions."""
    files = (file for concept in TRIGGERS for file in (folder / concept).iterdir())
    return {
        str(file): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.suffix != ".txt"
    }


def test_from_a_raw_folder_to_a_run_in_few_keys(tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    assert collect(folder) == 60
    before = hashes(folder)
    (Path.home() / "base").symlink_to(demo_world.base())
    with typing(folder) as typist:
        typist.until("1/60", without=_WORKING.pattern)
        typist.press("5")
        typist.until(r"\d+ steps · 10 epochs")
        typist.press("R")
        typist.until("What is trained")
        typist.type("128")
        typist.press("Enter")
        typist.until("Saved: Resolution 128")
        decide_all(typist)
        typist.press("2")
        typist.until(r"\d+ groups, 0 to decide")  # that was done in the review
        tag_all(typist)
        plan(typist)
        typist.press("6", "w")
        typist.until("TYPING")
        typist.type("~/base")
        typist.press("C-t")
        typist.until(r"▶ train raw .*loss \d\.\d+", without="the curve appears")
        keys = typist.keys
        typist.press("s")
        typist.until("■ stopped")
        typist.press("q")
        wait_for(lambda: not typist.is_open)
    assert keys <= MOST_KEYS
    assert hashes(folder) == before
    project = Project.open(folder)
    assert {name: project.concept(name).trigger for name in TRIGGERS} == TRIGGERS
    with Index(project) as index:
        rows = index.rows(index.ids())
    excluded = [row for row in rows if row.excluded]
    assert len(excluded) == 7
    for row in rows:
        path = folder / row.path
        if not row.excluded and path.with_suffix(".txt").exists():
            caption = path.with_suffix(".txt").read_text("utf-8")
            assert caption.startswith(TRIGGERS[path.parent.name] + ", "), row.path
