"""Run an operation in a thread worker, or from there in a process of its own."""

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from textual.worker import get_current_worker

from prep.dataset.index import Index
from prep.errors import UserError
from prep.events import Event
from prep.project import Project
from prep.system.apart import apart
from prep.system.memory import give_back

Result = TypeVar("Result")
Step = TypeVar("Step")

MANY = 5000
"""Images from which an operation that looks at all of them gets a process of its own."""


def on_all_images(work: Callable[[Project], Iterator[Step]], project: Project) -> Iterator[Step]:
    """Yield what an operation yields; where it takes long, it neither slows keys nor keeps memory.

    A small dataset is looked at before a process has started.

    Args:
        work: The operation, a function of a module.
        project: What it is given.
    """
    with Index(project) as index:
        many = index.count() >= MANY
    yield from apart(work, project) if many else work(project)


def watched(stream: Iterator[Step]) -> Iterator[Step]:
    """Yield what an operation yields until the worker of this thread is cancelled.

    The operation is closed here, by the thread that iterates it: a generator that is running
    cannot be closed from another one. A cancelled operation has no Finished.
    """
    worker = get_current_worker()
    try:
        for event in stream:
            if worker.is_cancelled:
                return
            yield event
    finally:
        close = getattr(stream, "close", None)
        if close is not None:
            close()
        give_back()


def completed(
    stream: Generator[Event, None, Result], on_event: Callable[[Event], object]
) -> Result:
    """Run an operation to its end and return its result.

    Args:
        stream: The operation.
        on_event: Called with each event.

    Raises:
        UserError: The worker of this thread was cancelled, or the operation failed.
    """
    result: list[Result] = []

    def kept() -> Iterator[Event]:
        result.append((yield from stream))

    for event in watched(kept()):
        on_event(event)
    if not result:
        raise UserError("The operation was interrupted.", "Start it again.")
    return result[0]
