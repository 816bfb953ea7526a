"""Images in an order that is an array of ids, and only the rows that can be seen.

A million ids are 8 MB; the rows are fetched by primary key, a page before they scroll into view.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from textual import events, work
from textual.cache import LRUCache
from textual.message import Message
from textual.worker import Worker

from prep.dataset.folder_runs import FolderRun
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.reviewed import reviewed
from tui.notices import report_worker
from tui.session import Session
from tui.widgets.grouped_list import GroupedList

PAGE = 64
"""Rows that are fetched together."""
_REMEMBERED = 4096


class ImageRows(GroupedList):
    """Images in an order, the selection, and the rows that can be seen.

    Attributes:
        ids: The images that are shown.
        marked: The selection; it may hold images that the filter does not show.
        loaded: It is known whether there are images.
        held: The image under the cursor, if it no longer matches the filter: it stays until the
            cursor leaves it, so that nobody goes on typing into the caption of another one.
    """

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
        self._reviewed: set[int] = set()
        self._runs: list[FolderRun] = []
        self._fresh: set[int] = set()
        self._names: dict[int, str] = {}
        self._anchor: int | None = None
        self.held: int | None = None
        self.loaded = False

    @property
    def count(self) -> int:
        """The number of images."""
        return len(self.ids)

    @property
    def row(self) -> ImageRow | None:
        """The image under the cursor, once it has been fetched."""
        return self._rows.get(self.ids[self.cursor]) if self.ids else None

    @property
    def beside(self) -> list[ImageRow]:
        """The images below and above the one under the cursor, as far as they are fetched."""
        places = (self.cursor + 1, self.cursor - 1)
        rows = (self._rows.get(self.ids[n]) for n in places if 0 <= n < len(self.ids))
        return [row for row in rows if row is not None]

    @property
    def targets(self) -> list[int]:
        """Ids of the images for the next command, in list order, and only of those shown.

        They are the selected ones, or all if none is selected.
        """
        if not self.marked:
            return list(self.ids)
        return [number for number in self.ids if number in self.marked]

    @property
    def unseen(self) -> list[int]:
        """Ids of the selected images that are shown, but not on the screen now."""
        on_screen = {self.ids[place] for place in self.in_view}
        return [number for number in self.targets if number not in on_screen] if self.marked else []

    def show(
        self,
        ids: "array[int]",
        known: Mapping[int, str] | None = None,
        runs: Sequence[FolderRun] = (),
        *,
        hold: bool = False,
    ) -> None:
        """Show these images; the cursor stays on its image if it is still there.

        Args:
            ids: The images.
            known: Path by id of selected images that still exist; the selection loses the others.
            runs: Where their concept folders begin; with several, each has a heading.
            hold: Keep the image under the cursor even if it is not among them.
        """
        stood_on, place, before = self.at_cursor, self.cursor, self.ids
        self.held = None
        self._runs = list(runs)
        if stood_on is not None:
            try:
                place = ids.index(stood_on)
            except ValueError:
                if hold:
                    place = _place_after(before, place, ids)
                    ids = array("q", ids)
                    ids.insert(place, stood_on)
                    row = self._rows.get(stood_on)
                    folder = row.folder if row is not None else ""
                    self._runs = _with_image(self._runs, place, folder)
                    self.held = stood_on
        self.ids = ids
        if known is not None:
            # Ids are used again: one with another path is another image.
            self.marked = {
                n for n in self.marked & known.keys() if self._names.get(n, known[n]) == known[n]
            }
            self._names = {number: known[number] for number in self.marked}
        self._fresh.clear()
        self.group([run.start for run in self._runs])
        self.count_changed(place)
        self._fetch_missing()
        if not ids:
            self.post_message(self.Moved(self, 0))

    @property
    def at_cursor(self) -> int | None:
        """The id of the image under the cursor."""
        return self.ids[self.cursor] if self.ids else None

    def watch_cursor(self, old: int, new: int) -> None:
        """Let go of an image that was only held."""
        super().watch_cursor(old, new)
        if self.held is None or self.at_cursor == self.held:
            return
        place = self.ids.index(self.held)
        self.held = None
        self.ids.pop(place)
        self._runs = _without_image(self._runs, place, len(self.ids))
        self.group([run.start for run in self._runs])
        self._fresh.clear()
        self.count_changed(new - (place < new))
        self._fetch_missing()

    # ---- fetching ------------------------------------------------------------------------

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Fetch what scrolls into view."""
        super().watch_scroll_y(old_value, new_value)
        self._fetch_missing()

    def on_resize(self) -> None:
        """Fetch what has come into view; Textual calls the base class's handler after this one."""
        self._arrange()
        self._fetch_missing()

    def watch_show_vertical_scrollbar(self) -> None:
        """Fetch what has come into view."""
        super().watch_show_vertical_scrollbar()
        self._fetch_missing()

    def watch_grid(self) -> None:
        """Fetch what has come into view."""
        super().watch_grid()
        self._fetch_missing()

    def _fetch_missing(self) -> None:
        seen = self.in_view
        if not seen:
            return
        self.fetched()
        pages = range(max(0, seen.start // PAGE - 1), min(self.count - 1, seen.stop) // PAGE + 2)
        missing = [page for page in pages if page * PAGE < self.count and page not in self._fresh]
        if missing:
            self._fetch(missing)

    @work(group="rows", exclusive=True, exit_on_error=False)
    async def _fetch(self, pages: list[int]) -> None:
        ids = self.ids
        wanted = [n for page in pages for n in ids[page * PAGE : (page + 1) * PAGE]]

        def found(index: Index) -> tuple[list[ImageRow], set[int]]:
            rows = index.rows(wanted)
            return rows, reviewed(index, rows)

        rows, marked = await self._session.rows.run(found)
        self._reviewed = (self._reviewed - set(wanted)) | marked
        for row in rows:
            # Textual's cache keeps the old value of an existing key.
            self._rows.discard(row.id)
            self._rows[row.id] = row
        self._fresh.update(pages)
        self.fetched()
        self.refresh()
        if ids and ids[self.cursor] in wanted:
            self.post_message(self.Moved(self, self.cursor))

    def fetched(self) -> None:
        """Handle that rows on the screen, or near it, are known."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Report errors of workers."""
        report_worker(self, event)

    # ---- selecting -----------------------------------------------------------------------

    def mark(self, index: int) -> None:
        """Toggle the selection of an image."""
        if not self.ids:
            return
        self._anchor = self.ids[index]
        self.marked ^= {self._anchor}
        self._marks_changed()

    def mark_range(self) -> None:
        """Select from the image that was selected last to the cursor."""
        if not self.ids:
            return
        try:
            start = self.ids.index(self._anchor) if self._anchor is not None else self.cursor
        except ValueError:  # the filter does not show it
            start = self.cursor
        low, high = sorted((start, self.cursor))
        self.marked.update(self.ids[low : high + 1])
        self._anchor = self.ids[start]
        self._marks_changed()

    def mark_all(self, numbers: Iterable[int]) -> None:
        """Select exactly these."""
        self.marked = set(numbers)
        self._marks_changed()

    def _marks_changed(self) -> None:
        self._names = {n: name for n, name in self._names.items() if n in self.marked}
        self.refresh()
        self.post_message(self.Marked(len(self.marked)))

    def clicked(self, event: events.Click) -> None:
        """Select with ctrl or shift, or on the mark itself."""
        if event.shift:
            self.mark_range()
        elif event.ctrl or event.x < 2:
            self.mark(self.cursor)


def _with_image(runs: Sequence[FolderRun], place: int, folder: str) -> list[FolderRun]:
    """Return runs after an image of a folder was put at a place."""
    before = next((run.folder for run in reversed(runs) if run.start < place), None)
    at = next((run.folder for run in runs if run.start == place), None)
    if before != folder and at == folder:
        return [run._replace(start=run.start + (run.start > place)) for run in runs]
    moved = [run._replace(start=run.start + (run.start >= place)) for run in runs]
    return moved if before == folder else sorted([*moved, FolderRun(place, folder)])


def _without_image(runs: Sequence[FolderRun], place: int, left: int) -> list[FolderRun]:
    """Return runs after the image at a place was taken away, which ``left`` so many."""
    moved = [run._replace(start=run.start - (run.start > place)) for run in runs]
    # Of two that start at one place, the first has no images any more.
    return list({run.start: run for run in moved if run.start < left}.values())


def _place_after(before: Sequence[int], place: int, ids: "array[int]") -> int:
    """Return where an image belongs in ``ids``: after its last neighbour above that is there."""
    places = {number: position for position, number in enumerate(ids)}
    above = (places.get(before[up]) for up in range(place - 1, -1, -1))
    return next((found + 1 for found in above if found is not None), 0)
