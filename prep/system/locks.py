"""A lock between processes: one at a time changes the files of a project."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_PAUSE = 0.05


@contextmanager
def exclusive(file: Path, seconds: float) -> Iterator[bool]:
    """Hold a lock on ``file``, which is made; it is free again when the process ends, however.

    It also keeps the threads of one process apart.

    Args:
        file: Only its lock counts, never what it holds.
        seconds: How long to wait for it.

    Yields:
        Whether the lock is held.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        end = time.monotonic() + seconds
        held = _take(stream)
        while not held and time.monotonic() < end:
            time.sleep(_PAUSE)
            held = _take(stream)
        yield held  # closing the file lets go of the lock


def _take(stream: IO[bytes]) -> bool:
    try:
        import fcntl
    except ImportError:
        return _take_windows(stream)
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
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
