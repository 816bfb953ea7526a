"""Waiting for progress, never for a fixed time, and ending what was started.

How long something takes depends on what else the machine does. So a wait gives up when nothing
moves any more: when no process that the tests started gets anything done.
"""

import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path

TAG = "SHIKOMI_TEST_RUN"
"""Every process that descends from this test run carries it in its environment."""

STILL = 60.0
"""Seconds without any progress after which a wait gives up."""
ENDLESS = 3600.0
"""Seconds after which it gives up in any case: something runs in circles."""
_WORKING = 0.02
"""Share of a core that counts as progress; waiting processes that poll use less."""
_POLL = 0.02


def mark() -> str:
    """Tag this process, so that its descendants are known; return the tag.

    Each worker of pytest-xdist has its own tag: those of the others are not its to end.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        os.environ[TAG] = uuid.uuid4().hex
    return os.environ.setdefault(TAG, uuid.uuid4().hex)


def descendants() -> dict[int, str]:
    """Return the processes that the tests started and that still run: id -> command (Linux)."""
    wanted = f"{TAG}={os.environ.get(TAG)}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int(folder.name) == os.getpid():
                continue
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                if command:  # a zombie has none
                    found[int(folder.name)] = command.decode("utf-8", "replace").strip()
        except OSError:  # gone, or somebody else's
            continue
    return found


def cpu_seconds() -> dict[int, float]:
    """Return the CPU seconds of every process that descends from this one and still runs."""
    found, ticks = {}, os.sysconf("SC_CLK_TCK")
    for number in descendants():
        try:
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found[number] = (int(fields[11]) + int(fields[12])) / ticks
    return found


class Patience:
    """Says whether it is worth waiting any longer."""

    def __init__(self, still: float = STILL) -> None:
        self._still = still
        self._began = self._moved = time.monotonic()
        self._spent = cpu_seconds()

    def check(self) -> None:
        """Fail when nothing has moved for a while."""
        now = time.monotonic()
        if now - self._moved < self._still:
            return
        spent = cpu_seconds()
        worked = sum(seconds - self._spent.get(number, 0.0) for number, seconds in spent.items())
        moved = worked > _WORKING * (now - self._moved) or spent.keys() != self._spent.keys()
        assert moved, f"waited in vain: nothing moved for {now - self._moved:.0f} s"
        assert now - self._began < ENDLESS, "waited in vain: it runs in circles"
        self._moved, self._spent = now, spent


def wait_for(condition: Callable[[], object], still: float = STILL) -> None:
    """Wait until a condition holds; fail when nothing moves any more."""
    patience = Patience(still)
    while not condition():
        patience.check()
        time.sleep(_POLL)


def ended(process: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> int:
    """Wait until a process has ended and return its exit code; its pipes must not be full."""
    wait_for(lambda: process.poll() is not None)
    return int(process.returncode)


def output(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Read what a process prints until it ends, as ``communicate`` does."""
    found: list[tuple[str, str]] = []
    reader = threading.Thread(target=lambda: found.append(process.communicate()), daemon=True)
    reader.start()
    wait_for(lambda: not reader.is_alive())
    return found[0]


def end_all() -> dict[int, str]:
    """Let descendants that are about to end do so, kill the others and return them."""
    end = time.monotonic() + 5.0
    while descendants() and time.monotonic() < end:
        time.sleep(_POLL)
    left = descendants()
    for number in left:
        try:
            os.kill(number, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return left
