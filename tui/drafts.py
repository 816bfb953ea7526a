"""Unsaved captions and crops: in memory for widgets, and at once in ``work.db``, in a thread.

One write is under way at a time, and takes all that was typed since the last one; so a key press
costs nothing, and a killed process loses what was typed within one write, a few milliseconds.
"""

import asyncio
from collections import UserDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from prep.dataset.drafts import Draft as Draft
from prep.dataset.drafts import DraftStore, Kind
from prep.errors import UserError
from prep.project import Project


class Drafts(UserDict[str, Draft]):
    """Drafts by the path of their image; changes are kept in the background."""

    def __init__(
        self,
        project: Project,
        on_fault: Callable[[UserError], object],
        kind: Kind = "drafts",
    ) -> None:
        """Read the drafts that earlier sessions left.

        Args:
            project: The project.
            on_fault: Called with the reason, once, if drafts cannot be kept.
            kind: What is drafted.

        Raises:
            UserError: ``work.db`` is damaged.
        """
        super().__init__()
        self._store = DraftStore(project, kind)
        self.data = self._store.read()
        self._store.close()  # from now on, it belongs to the thread
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shikomi-drafts")
        self._on_fault = on_fault
        self._faulty = False
        self._changed: set[str] = set()
        self._writing: asyncio.Task[None] | None = None

    def __setitem__(self, path: str, draft: Draft) -> None:
        """Keep a draft."""
        self.data[path] = draft
        self._note(path)

    def __delitem__(self, path: str) -> None:
        """Drop a draft."""
        del self.data[path]
        self._note(path)

    def _note(self, path: str) -> None:
        self._changed.add(path)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._changed:
            work = self._due()
            try:
                await loop.run_in_executor(self._pool, work)
            except UserError as error:
                if not self._faulty:
                    self._faulty = True
                    self._on_fault(error)

    def _due(self) -> Callable[[], None]:
        """Return what writes the changes until now."""
        changed, self._changed = self._changed, set()
        kept = {path: self.data[path] for path in changed if path in self.data}
        return lambda: self._store.write(kept, changed - kept.keys())

    def close(self) -> None:
        """Write what is not written yet, and end the thread."""
        if self._changed:
            self._pool.submit(self._due())
        self._pool.submit(self._store.close)
        self._pool.shutdown(wait=True)
