"""Running an operation in a thread worker."""

from collections.abc import Iterator

from textual.worker import get_current_worker

from prep.events import Event


def watched(stream: Iterator[Event]) -> Iterator[Event]:
    """Pass an operation's events on until the worker of this thread is cancelled.

    The operation is closed here, by the thread that iterates it: a generator that is running
    cannot be closed from another one. Finished is missing from what was cancelled.
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
