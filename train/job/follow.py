"""Watching a training job from a terminal: the first Ctrl+C asks it to stop, the second leaves."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from prep.errors import EXIT_PROBLEMS
from prep.events import Event, Failed, Finished, Warned
from prep.system import jobs

_POLL = 0.2


def follow(job: jobs.Job, offset: int = 0) -> Iterator[Event]:
    """Yield a job's events until it ends.

    The first interrupt sends it ``stop``: it finishes its step, saves and ends, and its last events
    are still shown. The second one raises KeyboardInterrupt; the job then does so on its own.

    Args:
        job: A job that was started.
        offset: Byte of its events to begin at; earlier ones are of earlier sittings.
    """
    follower = jobs.Follower(job, offset)
    with _interrupts() as count, _sent_at_last(job, count) as asked:
        ended = False
        while True:
            running = jobs.alive(job)
            found = follower.poll()
            if not running:
                found += follower.poll()
            ended |= any(isinstance(event, Finished | Failed) for event in found)
            yield from found
            if not running:
                if not ended:
                    yield _lost(job)
                return
            if count and not asked:
                jobs.send(job, "stop")
                asked.append(job)
                yield Warned(
                    "Stopping after this step.",
                    "Ctrl+C again detaches; the run then ends by itself.",
                )
            time.sleep(_POLL)


def _lost(job: jobs.Job) -> Failed:
    return Failed(
        f"The job {job.name} ended without a word: its supervisor was killed.",
        f"Continue it with: shikomi train --resume {job.name}",
        EXIT_PROBLEMS,
    )


@contextmanager
def _sent_at_last(job: jobs.Job, count: list[int]) -> Iterator[list[jobs.Job]]:
    """Collect the jobs that were told to stop; tell this one if a second interrupt came first."""
    asked: list[jobs.Job] = []
    try:
        yield asked
    finally:
        if count and not asked and jobs.alive(job):
            jobs.send(job, "stop")


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
