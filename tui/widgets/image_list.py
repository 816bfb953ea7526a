"""The list of images: an array of ids, and only the visible rows.

A million ids are 8 MB; the rows are fetched by primary key, a page before they scroll into view.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

from textual import events, work
from textual.cache import LRUCache
from textual.message import Message
from textual.worker import Worker

from prep.dataset.index import ImageRow
from tui.notices import report_worker
from tui.session import Session
from tui.widgets.line_list import LineList, Piece, cell

PAGE = 64
"""Rows that are fetched together."""
_REMEMBERED = 4096
_SIZE, _TAGS, _STATE = 10, 4, 13


class ImageList(LineList):
    """Images with marks, one per line."""

    @dataclass
    class Marked(Message):
        """The selection changed."""

        count: int

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self.ids: array[int] = array("q")
        self.marked: set[int] = set()
        self._rows: LRUCache[int, ImageRow] = LRUCache(_REMEMBERED)
        self._fresh: set[int] = set()
        self._anchor = 0

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.ids)

    @property
    def row(self) -> ImageRow | None:
        """The image under the cursor, once it has been fetched."""
        return self._rows.get(self.ids[self.cursor]) if self.ids else None

    @property
    def targets(self) -> list[int]:
        """Ids of the selected images in list order; of all shown ones if none is selected."""
        if not self.marked:
            return list(self.ids)
        return [number for number in self.ids if number in self.marked]

    def show(self, ids: "array[int]") -> None:
        """Show these images; the cursor stays on its image if it is still there."""
        stood_on = self.ids[self.cursor] if self.ids else -1
        try:
            place = ids.index(stood_on)
        except ValueError:
            place = self.cursor
        self.ids = ids
        self.marked.intersection_update(ids)
        self._fresh.clear()
        self.count_changed(place)
        self._fetch_missing()
        if not ids:
            self.post_message(self.Moved(self, 0))

    # ---- fetching ------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Fetch what scrolls into view."""
        super().watch_scroll_y(old_value, new_value)
        self._fetch_missing()

    def on_resize(self) -> None:
        """Fetch what has come into view; Textual also calls the base class's handler."""
        self._fetch_missing()

    def _fetch_missing(self) -> None:
        seen = self.in_view
        if not seen:
            return
        pages = range(max(0, seen.start // PAGE - 1), min(self.count - 1, seen.stop) // PAGE + 2)
        missing = [page for page in pages if page * PAGE < self.count and page not in self._fresh]
        if missing:
            self._fetch(missing)

    @work(group="rows", exclusive=True, exit_on_error=False)
    async def _fetch(self, pages: list[int]) -> None:
        ids = self.ids
        wanted = [n for page in pages for n in ids[page * PAGE : (page + 1) * PAGE]]
        rows = await self._session.rows.run(lambda index: index.rows(wanted))
        for row in rows:
            # Textual's cache keeps the old value of an existing key.
            self._rows.discard(row.id)
            self._rows[row.id] = row
        self._fresh.update(pages)
        self.refresh()
        if ids and ids[self.cursor] in wanted:
            self.post_message(self.Moved(self, self.cursor))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)

    # ---- drawing -------------------------------------------------------------------------

    def header(self, width: int) -> str:
        """Return the names of the columns."""
        size = f"{'size':>{_SIZE}} " if self._roomy(width) else ""
        name = cell("  name", self._name_width(width))
        return f"{name} {size}{'tags':>{_TAGS}}  {'caption':<{_STATE}}"

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return one image as a line."""
        number = self.ids[index]
        mark = "▪ " if number in self.marked else "  "
        row = self._rows.get(number)
        if row is None:
            return [(mark, "key"), (cell("…", width - 2), "dim")]
        name_width = self._name_width(width) - 2
        name = row.path.removeprefix(self._prefix)
        pieces = [(mark, "key"), (cell_left(name, name_width), "" if row.usable else "dim")]
        if self._roomy(width):
            size = f"{row.width}x{row.height}" if row.width else "-"
            pieces.append((f" {size:>{_SIZE}}", "dim"))
        count = str(len(row.tags)) if row.caption is not None else "-"
        word, look = self._state(row)
        return [*pieces, (f" {count:>{_TAGS}}  ", ""), (cell(word, _STATE), look)]

    @property
    def _prefix(self) -> str:
        project = self._session.project
        return "" if project.dataset == project.root else f"{project.relative(project.dataset)}/"

    def _roomy(self, width: int) -> bool:
        return width >= 52

    def _name_width(self, width: int) -> int:
        return width - _TAGS - _STATE - 3 - (_SIZE + 1 if self._roomy(width) else 0)

    def _state(self, row: ImageRow) -> tuple[str, str]:
        """Return a word for the state of an image, and its style."""
        if row.error is not None:
            return "× unreadable", "bad"
        if row.excluded is not None:
            return "– excluded", "dim"
        if row.path in self._session.drafts:
            return "✎ unsaved", "warn"
        if row.caption_error is not None:
            return "× not text", "bad"
        if row.caption is None or not row.caption.strip():
            return "○ none", "warn"
        return "✓ written", "good"

    # ---- selecting -----------------------------------------------------------------------

    def mark(self, index: int) -> None:
        """Toggle the selection of an image."""
        if not self.ids:
            return
        self.marked ^= {self.ids[index]}
        self._anchor = index
        self._marks_changed()

    def mark_range(self) -> None:
        """Select from the last selected image to the cursor."""
        low, high = sorted((min(self._anchor, self.count - 1), self.cursor))
        self.marked.update(self.ids[low : high + 1])
        self._marks_changed()

    def mark_all(self, numbers: Iterable[int]) -> None:
        """Select exactly these."""
        self.marked = set(numbers)
        self._marks_changed()

    def _marks_changed(self) -> None:
        self.refresh()
        self.post_message(self.Marked(len(self.marked)))

    def clicked(self, event: events.Click) -> None:
        """Select with ctrl or shift, or on the mark itself."""
        if event.shift:
            self.mark_range()
        elif event.ctrl or event.x < 2:
            self.mark(self.cursor)


def cell_left(text: str, width: int) -> str:
    """Return a path truncated at its start, since its end identifies the image.

    Example:
        >>> cell_left("10_mochi/001.png", 12), cell_left("10_mochi/001.png", 7)
        ('…/001.png   ', '…01.png')
    """
    if len(text) > width:
        text = f"…/{text.rpartition('/')[2]}"
    if len(text) > width:
        text = f"…{text[len(text) - width + 1 :]}"
    return cell(text, width)
