"""Small pictures in the cells of a grid, drawn by a pool of its own: what is seen comes first.

What is asked for last replaces all that was asked for before and is not begun: who scrolls through
100,000 images waits for those on the screen only.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from rich.segment import Segment
from rich.style import Style
from textual.cache import LRUCache
from textual.geometry import Region

from prep.dataset.thumbnail_files import ThumbnailFiles
from prep.errors import UserError
from prep.language import _
from tui.graphics.drawn import Drawn, Graphic
from tui.session import Session
from tui.widgets.line_list import cell

_THREADS = 2
_MOST = 512
"""Drawn pictures that are kept, if these many fit into:"""
_MEMORY = 64 << 20
"""Bytes that they may take; only those on the screen and near it are kept whatever they take."""
_BYTES = 6
"""Of a pixel: RGB, and nearly as much again for the sequences that send it."""

Size = tuple[int, int]
"""Columns and lines."""


@dataclass(frozen=True)
class Small:
    """A picture to be had in small.

    Attributes:
        path: The file: relative to the project, or absolute.
        mtime_ns: Its time, ns; with another one it is another picture.
        content: The hash of its bytes, if it is known.
    """

    path: str
    mtime_ns: int
    content: str | None = field(default=None, compare=False)


class Thumbnails:
    """Small pictures, drawn for cells of one size."""

    def __init__(self, session: Session, made: Callable[[Small], object]) -> None:
        """Start without pictures.

        Args:
            session: The open project.
            made: Called with a picture that is there now.
        """
        self._session, self._made = session, made
        self._pool: ThreadPoolExecutor | None = None
        self._files = ThumbnailFiles(session.project)
        self._known: LRUCache[Hashable, Drawn | str] = LRUCache(_MOST)
        self._wanted: list[tuple[Small, Size]] = []
        self._busy: dict[Hashable, asyncio.Task[None]] = {}

    def of(self, small: Small, size: Size) -> Drawn | str | None:
        """Return a picture, why there is none, or ``None`` if it is not made yet."""
        return self._known.get(self._key(small, size))

    def want(self, pictures: Sequence[Small], size: Size) -> None:
        """Make these pictures next, in this order, and no others."""
        wide, high = self._session.overlay.terminal.cell
        each = size[0] * wide * size[1] * high * _BYTES
        self._known.maxsize = max(len(pictures), min(_MOST, _MEMORY // each))
        self._wanted = [
            (small, size)
            for small in pictures
            if (key := self._key(small, size)) not in self._known and key not in self._busy
        ]
        self._begin()

    def close(self) -> None:
        """Make no more pictures."""
        self._wanted.clear()
        for task in self._busy.values():
            task.cancel()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _key(self, small: Small, size: Size) -> Hashable:
        return small, size, self._session.overlay.terminal.cell

    def _begin(self) -> None:
        if self._session.overlay.terminal.drawing == "none":
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="shikomi-thumbnails")
        while self._wanted and len(self._busy) < _THREADS:
            small, size = self._wanted.pop(0)
            key = self._key(small, size)
            self._busy[key] = asyncio.get_running_loop().create_task(self._make(key, small, size))

    async def _make(self, key: Hashable, small: Small, size: Size) -> None:
        terminal = self._session.overlay.terminal

        def work() -> Drawn | str:
            from tui.graphics.drawing import draw  # needs numpy

            try:
                picture = self._files.get(small.path, small.content)
            except UserError:
                return _("× unreadable")
            return draw(picture, *size, terminal)

        try:
            assert self._pool is not None
            self._known[key] = await asyncio.get_running_loop().run_in_executor(self._pool, work)
            self._made(small)
        finally:
            del self._busy[key]
            self._begin()


def line_of(picture: Drawn | str | None, line: int, size: Size, style: Style) -> Iterable[Segment]:
    """Return one line of a picture in the middle of its cell, or of what is told of it."""
    columns, lines = size
    if not isinstance(picture, Drawn):
        text = picture or "…"
        yield Segment(cell(text if line == lines // 2 else "", columns), style)
        return
    line -= (lines - len(picture.strips)) // 2
    if not 0 <= line < len(picture.strips):
        yield Segment(" " * columns, style)
        return
    room = columns - picture.strips[line].cell_length
    yield Segment(" " * (room // 2), style)
    yield from picture.strips[line]
    yield Segment(" " * (room - room // 2), style)


def pixels_of(
    picture: Drawn | str | None, x: int, y: int, size: Size
) -> Iterable[tuple[Graphic, Region]]:
    """Return the pixels of a picture whose cell has this corner, if there are any, and where."""
    if isinstance(picture, Drawn) and (graphic := picture.graphic) is not None:
        left, top = x + (size[0] - graphic.columns) // 2, y + (size[1] - graphic.rows) // 2
        yield graphic, Region(left, top, graphic.columns, graphic.rows)
