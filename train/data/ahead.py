"""Threads that work ahead of whoever needs their results, within bounded memory."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import ParamSpec, Self, TypeVar

P = ParamSpec("P")
Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 8
_AHEAD = 2
"""Items per thread that are begun before the oldest is taken: a photo may have 100 MB."""


class Workers:
    """A few threads; a context manager that waits for what was started.

    Decoders and array libraries release the interpreter lock, so threads suffice. Processes would
    hand over pictures through /dev/shm, which is too small in many containers.
    """

    def __init__(self, name: str) -> None:
        """Start no thread yet; ``name`` is for debuggers."""
        self._threads = max(2, min(_MOST_THREADS, os.cpu_count() or 2))
        self._pool = ThreadPoolExecutor(self._threads, name)
        self._started: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait; raise the error of what was started, unless another is on its way."""
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            self._check(len(self._started))

    def ahead(
        self, work: Callable[[Item], Result], items: Iterable[Item]
    ) -> Iterator[tuple[Item, "Future[Result]"]]:
        """Yield items in order, each with its finished or running work; the next ones are begun."""
        pending: deque[tuple[Item, Future[Result]]] = deque()
        for item in items:
            pending.append((item, self._pool.submit(work, item)))
            if len(pending) > _AHEAD * self._threads:
                yield pending.popleft()
        while pending:
            yield pending.popleft()

    def start(self, work: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
        """Begin something whose result nobody waits for; an error is raised later."""
        self._started.append(self._pool.submit(work, *args, **kwargs))
        self._check(max(0, len(self._started) - _AHEAD * self._threads))

    def _check(self, count: int) -> None:
        for _ in range(count):
            self._started.popleft().result()
