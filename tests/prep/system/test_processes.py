"""Processes on systems without sessions, groups and signals: what can be seen of it from here."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prep import events
from prep.system import jobs, processes
from tests.prep.system.test_jobs import PRELUDE, begun, ended

LIKE_WINDOWS = """
import os
del os.fork
"""


def test_a_start_returns_where_nothing_can_fork(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor then is a child of whoever starts the job, and goes on beside it."""
    (tmp_path / "sitecustomize.py").write_text(LIKE_WINDOWS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    go = tmp_path / "go"
    waiting = f"say('started', what='x')\nwhile not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
    command = [sys.executable, "-c", PRELUDE + waiting + "say('finished', summary={})"]
    job = jobs.create(tmp_path / "jobs", jobs.JobSettings("demo", command))
    script = f"""
from pathlib import Path
from prep.system import jobs
jobs.start(jobs.Job(Path({str(job.directory)!r})))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    try:
        assert done.returncode == 0, done.stderr
        assert jobs.alive(job)
        begun(job)
    finally:
        go.touch()
    assert ended(job)[-1] == events.Finished({})


class Child:
    """Stands for a process of Windows."""

    pid = 4711

    def __init__(self) -> None:
        self.sent: list[int] = []

    def send_signal(self, number: int) -> None:
        self.sent.append(number)

    def poll(self) -> None:
        return None


def test_windows_has_one_interrupt_and_a_tool_that_kills(monkeypatch: pytest.MonkeyPatch) -> None:
    child: Any = Child()
    ran: list[list[str]] = []
    monkeypatch.setattr(processes, "_WINDOWS", True)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", 1, raising=False)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: ran.append(command))
    processes.interrupt(child)
    assert child.sent == [1]
    processes.end(child)
    processes.kill(child)
    assert ran == [["taskkill", "/F", "/T", "/PID", "4711"]] * 2


def test_a_process_interrupts_itself() -> None:
    script = """
import threading, time
from prep.system import processes
threading.Timer(0.1, processes.interrupt_self).start()
try:
    while True:
        time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted")
"""
    for windows in ("", "processes._WINDOWS = True\n"):
        text = script.replace("threading.Timer", windows + "threading.Timer")
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True
        )
        assert done.stdout == "interrupted\n"
