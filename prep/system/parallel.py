"""Run a function over many items in threads, with a bounded number in flight.

Decoders and hash functions release the interpreter lock, so threads are enough; the bound keeps
memory flat when the consumer is slower than the workers.
"""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

In = TypeVar("In")
Out = TypeVar("Out")


def workers() -> int:
    """Return how many threads to use: one per core that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered(
    function: Callable[[In], Out],
    items: Iterable[In],
    threads: int = 0,
    stop: Callable[[], None] | None = None,
    ahead: int = 0,
) -> Generator[tuple[In, Out], None, None]:
    """Yield ``(item, function(item))`` in the order of ``items``.

    At most ``ahead`` calls are in flight or done before their turn. Closing the generator drops
    calls that have not begun and waits for those that have.

    Args:
        function: Called in a worker thread.
        items: Consumed one by one, in the thread that iterates.
        threads: 0 for one per core.
        stop: Called at the end, however it comes, before calls in flight are waited for; calls that
            may take long should then return.
        ahead: 0 for twice as many as there are threads. More keep all threads at work while one
            call takes long, or while the consumer is busy; their results wait in memory.

    Raises:
        Exception: Whatever ``function`` raises, when its turn comes.
    """
    count = threads or workers()
    most = max(ahead, 2 * count)
    with ThreadPoolExecutor(count) as pool:
        running: deque[tuple[In, Future[Out]]] = deque()
        try:
            for item in items:
                running.append((item, pool.submit(function, item)))
                if len(running) >= most:
                    first, future = running.popleft()
                    yield first, future.result()
            while running:
                first, future = running.popleft()
                yield first, future.result()
        finally:
            if stop is not None:
                stop()
            pool.shutdown(wait=True, cancel_futures=True)
