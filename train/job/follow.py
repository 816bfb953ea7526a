"""Watching a training job from a terminal: the first Ctrl+C asks it to stop, the second leaves."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prep.events import Event, Warned
from prep.system import jobs

_POLL = 0.2


def follow(job: jobs.Job, offset: int = 0) -> Iterator[Event]:
    """Yield a job's events until it ends.

    The first interrupt sends it ``stop``: it finishes its step, saves and ends, and its last events
    are still shown. The second one raises KeyboardInterrupt; the job then continues on its own.

    Args:
        job: A job that was started.
        offset: Byte of its events to begin at; earlier ones are of earlier sittings.
    """
    follower = jobs.Follower(job, offset)
    with _interrupts() as count:
        asked = False
        while True:
            running = jobs.alive(job)
            yield from follower.poll()
            if not running:
                yield from follower.poll()
                return
            if count and not asked:
                asked = True
                jobs.send(job, "stop")
                yield Warned(
                    "Stopping after this step.",
                    "Ctrl+C again detaches; the run then ends by itself.",
                )
            time.sleep(_POLL)


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """Collect the first interrupt instead of raising it; the second one raises as ever."""
    seen: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        if seen:
            raise KeyboardInterrupt
        seen.append(number)

    try:
        old = signal.signal(signal.SIGINT, note)
    except ValueError:  # not the main thread: no interrupts arrive here
        yield seen
        return
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, old)
