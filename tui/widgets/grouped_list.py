"""A list of items in groups: one below the other, or as a grid of cells; draws what is visible."""

from collections.abc import Iterable, Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.reactive import reactive
from textual.strip import Strip

from tui.widgets.grouped_layout import GroupedLayout
from tui.widgets.line_list import LineList, cell, fitted

_CELL = 17
"""Columns of the terminal that a cell of the grid takes at least."""
_LEAST = 3
"""Lines of the picture in a cell, at least."""


class GroupedList(LineList):
    """Items with a cursor, under the headings of their groups.

    Attributes:
        grid: Items are cells side by side, of several lines each.
    """

    grid: reactive[bool] = reactive(False, repaint=False)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._starts: tuple[int, ...] = (0,)
        self.layout_ = GroupedLayout()

    # ---- for subclasses ------------------------------------------------------------------

    def heading(self, group: int) -> str:
        """Return the heading of a group."""
        raise NotImplementedError

    def draw_cell(self, index: int, part: int, width: int, style: Style) -> Iterable[Segment]:
        """Draw one line of a cell of the grid, ``width`` columns wide."""
        raise NotImplementedError

    @property
    def shape(self) -> float:
        """Width of a cell of the terminal divided by its height."""
        return 0.5

    @property
    def cell_width(self) -> int:
        """Columns of a cell of the grid."""
        return max(1, self.scrollable_size.width // self.layout_.columns)

    @property
    def picture_size(self) -> tuple[int, int]:
        """Columns and lines of the picture in a cell of the grid."""
        return max(1, self.cell_width - 2), max(1, self.layout_.height - 1)

    # ---- places --------------------------------------------------------------------------

    def watch_grid(self) -> None:
        """Arrange everything anew."""
        self._arrange()
        self._show_cursor()

    def count_changed(self, cursor: int = 0) -> None:
        """Redraw everything after the number of items has changed."""
        self._arrange()
        super().count_changed(cursor)
        self._set_size()

    def group(self, starts: Sequence[int]) -> None:
        """Set where groups begin; ``count_changed`` shows it."""
        self._starts = tuple(starts) or (0,)

    def _arrange(self) -> None:
        columns, height = 1, 1
        if self.grid:
            width = max(1, self.scrollable_size.width)
            columns = max(1, width // _CELL)
            height = 1 + max(_LEAST, round((width // columns - 2) * self.shape))
        self.layout_ = GroupedLayout(self.count, self._starts, columns, height)
        self._set_size()
        self.refresh()

    def _set_size(self) -> None:
        self.virtual_size = Size(1, self.layout_.lines + self._top)

    def watch_show_vertical_scrollbar(self) -> None:
        """Arrange cells for the width that the scroll bar leaves."""
        self._arrange()
        self._show_cursor()

    def on_resize(self) -> None:
        """Arrange cells for the new width."""
        self._arrange()
        self._show_cursor()

    @property
    def in_view(self) -> range:
        """The indexes of the visible items."""
        first = self.scroll_offset.y
        return self.layout_.between(first, first + max(0, self.size.height - self._top))

    def refresh_index(self, index: int) -> None:
        """Redraw one item; of a cell, only what the cursor changes: its edge and its name."""
        if not 0 <= index < self.count:
            return
        if not self.grid:
            self.refresh_line(self.layout_.line(index) + self._top)
            return
        x, y = self._corner(index)
        height = self.layout_.height
        self.refresh(Region(x, y, 1, height), Region(x, y + height - 1, self.cell_width, 1))

    def _corner(self, index: int) -> tuple[int, int]:
        """Return the upper left corner of an item in the widget."""
        line = self.layout_.line(index)
        column = index - self.layout_.at(line).items.start
        return column * self.cell_width, line + self._top - self.scroll_offset.y

    def _show_cursor(self) -> None:
        if not self.count:
            return
        height = max(1, self.size.height - self._top)
        line, first = self.layout_.line(self.cursor), self.scroll_offset.y
        # With the heading, above the first items of a group.
        top = line - self.layout_.headings if self._is_first(self.cursor) else line
        if top < first:
            self._scroll_to_line(top)
        elif line + self.layout_.height > first + height:
            self._scroll_to_line(line + self.layout_.height - height)

    def _is_first(self, index: int) -> bool:
        spot = self.layout_.at(self.layout_.line(index))
        return spot.items.start == self.layout_.starts[spot.group]

    # ---- drawing -------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        line = y - self._top + self.scroll_offset.y
        if y < self._top or line >= self.layout_.lines:
            return super().render_line(y if y < self._top else self.count + self._top)
        width, style = self.scrollable_size.width, self.rich_style
        spot = self.layout_.at(line)
        if not spot.items:
            text = cell(self.heading(spot.group), width)
            return Strip([Segment(text, style + self._look("title"))], width)
        if self.grid:
            cells = [
                segment
                for index in spot.items
                for segment in self.draw_cell(index, spot.part, self.cell_width, style)
            ]
            return Strip(cells).adjust_cell_length(width, style)
        index = spot.items.start
        under = self._cursor_style() if index == self.cursor else Style()
        pieces = self.draw(index, width)
        looks = [style + (self._look(look) if look else Style()) + under for _text, look in pieces]
        segments = [Segment(text, look) for (text, _look), look in zip(pieces, looks, strict=True)]
        return fitted(segments, width, style + under)

    # ---- moving --------------------------------------------------------------------------

    def action_move(self, lines: int) -> None:
        """Move the cursor by rows."""
        if self.count:
            self.cursor = self.layout_.beside(self.cursor, lines)

    def action_page(self, pages: int) -> None:
        """Move the cursor by one page."""
        rows = max(1, (self.size.height - self._top - 1) // self.layout_.height)
        self.action_move(pages * rows)

    def action_next_panel(self) -> None:
        """Move to the cell on the right; in a list, to the next panel."""
        if self.grid:
            self.cursor += 1
        else:
            super().action_next_panel()

    def action_previous_panel(self) -> None:
        """Move to the cell on the left; in a list, to the previous panel."""
        if self.grid:
            self.cursor -= 1
        else:
            super().action_previous_panel()

    # ---- mouse ---------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; a double click opens the item."""
        event.prevent_default()  # the base class takes a line for an item
        line = event.y - self._top + self.scroll_offset.y
        if event.y < self._top or not 0 <= line < self.layout_.lines:
            return
        items = self.layout_.at(line).items
        column = event.x // self.cell_width
        if not items or column >= len(items):
            return
        self.cursor = items[column]
        self.clicked(event)
        if event.chain == 2:
            self.action_choose()
