"""Jobs that run one after another: those of one lane, in the order in which they were queued.

A job that waits is a living process already: its detached supervisor, which waits for its turn. So
nobody has to start it later, and nothing has to be alive but itself: the system releases the lock
of the lane however the job before has ended. What waited when the computer was switched off keeps
its ticket, and is ``stalled`` until somebody starts it again.

A lane is two things beside the job directories: the lock that the running supervisor holds for
life, with the name of its job in it, and the tickets (``queued``) in the directories of those that
wait.
"""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from prep import events
from prep.errors import UserError
from prep.system import jobs, locks
from prep.system.files import write_text

_POLL = 0.5
"""Seconds between two looks at the lane."""


def start(job: jobs.Job) -> None:
    """Give a job the last place in its queue, and start what waits for its turn.

    A job that has a ticket keeps its place.

    Raises:
        UserError: As ``jobs.start``.
    """
    jobs.refuse_running(job)
    if ticket(job) is None:
        last = max((found for found, _ in _tickets(job.directory.parent)), default=0)
        write_text(job.directory / jobs.TICKET, f"{last + 1}\n")
    jobs.start(job)


def leave(job: jobs.Job) -> None:
    """Take a job's ticket away: it runs now, or never will."""
    (job.directory / jobs.TICKET).unlink(missing_ok=True)


def withdraw(job: jobs.Job) -> None:
    """Take a stalled job out of the queue; a living one is asked to by ``stop``."""
    leave(job)
    jobs.say(job, events.Finished({}, "stopped"))


def move(job: jobs.Job, place: int) -> None:
    """Give a waiting job another place in its queue.

    Args:
        job: The job.
        place: From 1, the next one; beyond either end, it is the place there.

    Raises:
        UserError: It does not wait.
    """
    places = _waiting(job.directory.parent)
    order = [each for _, each in places]
    if job not in order:
        raise UserError(f"The job {job.name} does not wait in the queue.", "See: shikomi jobs list")
    order.remove(job)
    order.insert(max(0, place - 1), job)
    for each, (number, _) in zip(order, places, strict=True):
        if ticket(each) not in (None, number):  # one whose turn has come has none any more
            write_text(each.directory / jobs.TICKET, f"{number}\n")


def ticket(job: jobs.Job) -> int | None:
    """Return a job's ticket, which grows in the order of the queue; ``None`` for no ticket."""
    try:
        return int((job.directory / jobs.TICKET).read_text("ascii"))
    except (OSError, ValueError):
        return None


def waiting(folder: Path) -> list[jobs.Job]:
    """Return the jobs below ``folder`` that wait for their turn, the next one first."""
    return [job for _, job in _waiting(folder)]


def stalled(folder: Path) -> list[jobs.Job]:
    """Return the jobs below ``folder`` that have a ticket and no living process, in order."""
    return [job for _, job in _tickets(folder) if not jobs.alive(job)]


def holder(folder: Path, lane: str) -> jobs.Job | None:
    """Return the job below ``folder`` that had the last turn in a lane; it may have ended."""
    try:
        return _named(folder, _lock_file(folder, lane).read_bytes())
    except OSError:
        return None


def _named(folder: Path, name: bytes) -> jobs.Job | None:
    job = jobs.Job(folder / Path(name.decode("utf-8", "replace").replace("\0", "")).name)
    return job if name and (job.directory / "job.json").is_file() else None


@contextlib.contextmanager
def turn(job: jobs.Job, lane: str) -> Iterator[bool]:
    """Wait for a job's turn and hold the lane meanwhile; only its supervisor calls this.

    Every change ahead is told in the job's events.

    Yields:
        Whether it is the job's turn; False when it was asked to stop while it waited.
    """
    folder = job.directory.parent
    with _lock_file(folder, lane).open("a+b", buffering=0) as lock:
        came = _wait(job, lock)
        leave(job)
        if came:
            lock.truncate(0)
            lock.write(job.name.encode())
            lock.flush()
        yield came  # closing the file lets the next one run


def _wait(job: jobs.Job, lock: IO[bytes]) -> bool:
    """Return True once the lane's lock is held, and False if the job is to leave the queue."""
    folder, offset, told, held = job.directory.parent, 0, "", False
    while True:
        found, offset = jobs.commands(job, offset)
        if {"stop", "kill"} & set(found):
            return False
        ahead = _ahead(job)
        held = held or (not ahead and locks.take_lock(lock))
        lock.seek(0)
        last = _named(folder, lock.read())  # opening the file anew would end the lock at its close
        # The command of a supervisor that was killed lives on for some seconds.
        if held and (last is None or last == job or not locks.is_locked(last.command_lock_file)):
            if told:
                jobs.say(job, events.Stage("queue", True))
            return True
        note = _note(len(ahead), last if last != job else None)
        if note != told:
            jobs.say(job, events.Stage("queue", note=note))
            told = note
        time.sleep(_POLL)


def _ahead(job: jobs.Job) -> list[jobs.Job]:
    """Return the living jobs with an earlier ticket; this process must not test its own lock."""
    own = (ticket(job) or 0, job)
    others = [found for found in _tickets(job.directory.parent) if found[1] != job]
    return [
        other
        for place, other in others
        if _order((place, other)) < _order(own) and jobs.alive(other)
    ]


def _note(ahead: int, last: jobs.Job | None) -> str:
    """Return what is waited for."""
    runs = title(last) if last else "another job"
    return f"waits for {runs}" + (f" and {ahead} more in the queue" if ahead else "")


def title(job: jobs.Job) -> str:
    """Return how to call a job."""
    with contextlib.suppress(UserError):
        return job.settings().title or job.name
    return job.name


def _waiting(folder: Path) -> list[tuple[int, jobs.Job]]:
    return [(number, job) for number, job in _tickets(folder) if jobs.alive(job)]


def _tickets(folder: Path) -> list[tuple[int, jobs.Job]]:
    """Return all tickets with their jobs, in order."""
    found = [jobs.Job(path.parent) for path in folder.glob(f"*/{jobs.TICKET}")]
    tickets = [(number, job) for job in found if (number := ticket(job)) is not None]
    return sorted(tickets, key=_order)


def _order(entry: tuple[int, jobs.Job]) -> tuple[int, str]:
    number, job = entry
    return number, job.name


def _lock_file(folder: Path, lane: str) -> Path:
    return folder / f"{lane}.lane"
