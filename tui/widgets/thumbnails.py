"""The pictures of a grid, decoded by a small pool of its own: what is seen, then what may be.

What is asked for last replaces all that was asked for before and is not begun: who scrolls through
100,000 images waits for those on the screen only.
"""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor

from textual.cache import LRUCache

from prep.dataset.index import ImageRow
from prep.dataset.thumbnail_files import ThumbnailFiles
from prep.errors import UserError
from prep.language import _
from tui.graphics.drawing import Drawn, draw
from tui.session import Session

_THREADS = 2
_KEPT = 512
"""Drawn pictures that are kept in memory, some 30 kB each."""

Size = tuple[int, int]
"""Columns and lines."""


class Thumbnails:
    """Small pictures of images, drawn for cells of one size."""

    def __init__(self, session: Session, made: Callable[[int], object]) -> None:
        """Start without pictures.

        Args:
            session: The open project.
            made: Called with the id of an image whose picture is there now.
        """
        self._session, self._made = session, made
        self._pool: ThreadPoolExecutor | None = None
        self._files = ThumbnailFiles(session.project)
        self._known: LRUCache[Hashable, Drawn | str] = LRUCache(_KEPT)
        self._wanted: list[tuple[ImageRow, Size]] = []
        self._busy: dict[Hashable, asyncio.Task[None]] = {}

    def of(self, row: ImageRow, size: Size) -> Drawn | str | None:
        """Return the picture of an image, why there is none, or ``None`` if it is not made yet."""
        return self._known.get(self._key(row, size))

    def want(self, rows: Sequence[ImageRow], size: Size) -> None:
        """Make these pictures next, in this order, and no others."""
        self._wanted = [
            (row, size)
            for row in rows
            if (key := self._key(row, size)) not in self._known and key not in self._busy
        ]
        self._begin()

    def close(self) -> None:
        """Make no more pictures."""
        self._wanted.clear()
        for task in self._busy.values():
            task.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _key(self, row: ImageRow, size: Size) -> Hashable:
        return row.path, row.mtime_ns, size, self._session.overlay.terminal.cell

    def _begin(self) -> None:
        if self._session.overlay.terminal.drawing == "none":
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="shikomi-thumbnails")
        while self._wanted and len(self._busy) < _THREADS:
            row, size = self._wanted.pop(0)
            key = self._key(row, size)
            self._busy[key] = asyncio.get_running_loop().create_task(self._make(key, row, size))

    async def _make(self, key: Hashable, row: ImageRow, size: Size) -> None:
        terminal = self._session.overlay.terminal

        def work() -> Drawn | str:
            try:
                picture = self._files.get(row.path, row.content)
            except UserError:
                return _("× unreadable")
            return draw(picture, *size, terminal)

        try:
            assert self._pool is not None
            self._known[key] = await asyncio.get_running_loop().run_in_executor(self._pool, work)
            self._made(row.id)
        finally:
            del self._busy[key]
            self._begin()
