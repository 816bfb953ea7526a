"""What a job's command does about its supervisor: it takes a lock, and does not outlive it."""

import os
import signal
import threading
import time
from pathlib import Path
from typing import IO

from prep.errors import UserError
from prep.system import jobs, locks, processes

_POLL = 0.5
_GRACE = 10.0
"""Seconds between interrupting this process and ending it."""
_LOCK_WAIT = 2.0
"""Seconds to wait for the lock of the command: a front end that tests it holds it for a moment."""
_locks: list[IO[bytes]] = []
"""Files whose locks this process holds; closing one would release its lock."""


def own_job() -> jobs.Job | None:
    """Return the job that this process runs for."""
    directory = os.environ.get(jobs.ENVIRONMENT_KEY)
    return jobs.Job(Path(directory)) if directory and Path(directory).is_dir() else None


def join_job(job: jobs.Job) -> None:
    """Mark this process as the command of a job.

    While it lives, nobody starts the job a second time. When its supervisor is killed, it is
    interrupted, since nobody could stop it any more.

    Raises:
        UserError: Another process is the command of this job.
    """
    lock = job.command_lock_file.open("a+b")
    end = time.monotonic() + _LOCK_WAIT
    while not locks.take_lock(lock):
        if time.monotonic() > end:
            raise UserError(f"The job {job.name} is already running.", "See: shikomi jobs list")
        time.sleep(0.01)
    _locks.append(lock)
    end_with_supervisor(job)


def end_with_supervisor(job: jobs.Job) -> None:
    """Interrupt this process when the supervisor of its job is gone; nothing without one."""
    if locks.is_locked(job.lock_file):
        threading.Thread(target=_watch, args=(job.lock_file,), daemon=True).start()


def _watch(lock: Path) -> None:
    while locks.is_locked(lock) or not lock.exists():
        time.sleep(_POLL)
    processes.interrupt_self()
    time.sleep(_GRACE)
    os._exit(128 + signal.SIGINT)
