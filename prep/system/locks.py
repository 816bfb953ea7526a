"""Locks between processes; any end of a process releases those that it holds.

There are two kinds. ``exclusive`` also excludes threads of the same process. The lock of
``take_lock`` belongs to a process, and is not inherited by the processes that it forks.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Literal

_PAUSE = 0.05


@contextmanager
def exclusive(file: Path, seconds: float) -> Iterator[bool]:
    """Hold a lock on ``file``, created if needed, so that one at a time changes a project's files.

    It also excludes other threads of the same process.

    Args:
        file: Only its lock matters, not its contents.
        seconds: How long to wait for it.

    Yields:
        Whether the lock is held.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        end = time.monotonic() + seconds
        held = _take(stream, "flock")
        while not held and time.monotonic() < end:
            time.sleep(_PAUSE)
            held = _take(stream, "flock")
        yield held  # closing the file releases the lock


def is_locked(file: Path) -> bool:
    """Return whether another process has taken the lock of a file; ``False`` for a missing one."""
    try:
        with file.open("r+b") as stream:
            return not take_lock(stream)
    except FileNotFoundError:
        return False


def take_lock(stream: IO[bytes]) -> bool:
    """Lock an open file for this process until it is closed; return whether nobody else has.

    A POSIX record lock: an flock would outlive this process in a forked data-loader worker.
    """
    return _take(stream, "lockf")


def _take(stream: IO[bytes], way: Literal["flock", "lockf"]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _take_windows(stream)
    take = fcntl.flock if way == "flock" else fcntl.lockf
    try:
        take(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _take_windows(stream: IO[bytes]) -> bool:
    import msvcrt

    locking: Any = msvcrt
    stream.seek(0)
    try:
        locking.locking(stream.fileno(), locking.LK_NBLCK, 1)
    except OSError:
        return False
    return True
