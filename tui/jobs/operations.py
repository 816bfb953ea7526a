"""Run an operation in a thread worker."""

from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

from textual.worker import get_current_worker

from prep.errors import UserError
from prep.events import Event

Result = TypeVar("Result")
Step = TypeVar("Step")


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
