"""A lock between processes, so that only one at a time changes the files of a project."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

_PAUSE = 0.05


@contextmanager
def exclusive(file: Path, seconds: float) -> Iterator[bool]:
    """Hold a lock on ``file``, created if needed; any end of the process releases it.

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
        held = _take(stream)
        while not held and time.monotonic() < end:
            time.sleep(_PAUSE)
            held = _take(stream)
        yield held  # closing the file releases the lock


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
