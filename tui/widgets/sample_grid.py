"""Generated pictures as a grid of thumbnails: prompts down, models across, the base first."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from prep.language import _
from prep.language.wrapping import wrapped
from tui import commands
from tui.graphics.drawn import Drawn, Graphic
from tui.graphics.overlay import Pictured
from tui.pictures import Made
from tui.sample_cells import LAST, Cells, Column, Row
from tui.session import Session
from tui.widgets.line_list import cell, centred, fitted
from tui.widgets.thumbnails import Small, Thumbnails, line_of, pixels_of

_WIDE, _HIGH = 12, 6
"""Cells of a thumbnail."""
_ACROSS, _DOWN = _WIDE + 2, _HIGH + 1
"""Cells from one to the next: a margin for marks on the left, a line with the prompt above."""
_HEAD = 2

Place = tuple[Row, Column]


class SampleGrid(Pictured, can_focus=True):
    """Thumbnails with a cursor; only those in view are drawn.

    Attributes:
        at: Row and column of the cursor.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"grid--head", "grid--prompt", "grid--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("grid")

    at: reactive[tuple[int, int]] = reactive((0, 0))

    @dataclass
    class Moved(Message):
        """The cursor is at another picture."""

        grid: "SampleGrid"

        def can_replace(self, message: Message) -> bool:
            """Only the newest place matters."""
            return isinstance(message, SampleGrid.Moved)

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._session = session
        self._cells = Cells()
        self._top = self._left = 0
        self._thumbnails = Thumbnails(session, self._picture_made)
        self.marked: Place | None = None
        self.winner: Callable[[Column], bool] = lambda _column: False

    def on_mount(self) -> None:
        """Let the application know where there may be pixels."""
        self._session.overlay.pictures.add(self)

    def on_unmount(self) -> None:
        """Make no more pictures."""
        self._thumbnails.close()

    # ---- what is shown -------------------------------------------------------------------

    def show(self, found: Cells) -> None:
        """Show these pictures; the cursor stays on its place."""
        kept = self.place
        self._cells = found
        if kept is not None and kept[0] in found.rows and kept[1] in found.columns:
            self.at = (found.rows.index(kept[0]), found.columns.index(kept[1]))
        self._moved()

    @property
    def place(self) -> Place | None:
        """Row and column under the cursor."""
        row, column = self.at
        if row < len(self._cells.rows) and column < len(self._cells.columns):
            return self._cells.rows[row], self._cells.columns[column]
        return None

    def made(self, place: Place | None) -> Made | None:
        """Return the picture of a place, if there is one."""
        return None if place is None else self._cells.at.get(place)

    # ---- moving --------------------------------------------------------------------------

    def validate_at(self, at: tuple[int, int]) -> tuple[int, int]:
        """Keep the cursor in the grid."""
        rows, columns = len(self._cells.rows), len(self._cells.columns)
        return max(0, min(at[0], rows - 1)), max(0, min(at[1], columns - 1))

    def action_step(self, down: int, across: int) -> None:
        """Move the cursor."""
        self.at = (self.at[0] + down, self.at[1] + across)

    def watch_at(self) -> None:
        """Show where the cursor is."""
        self._moved()

    def _moved(self) -> None:
        row, column = self.at
        self._top = max(min(self._top, row), row - self._fits_down + 1, 0)
        if column:
            fits = max(1, self._fits_across - 1)
            self._left = max(min(self._left, column - 1), column - fits, 0)
        self.refresh()
        found = [self.made(place) for place, _corner in self._in_view()]
        self._thumbnails.want([_small(one) for one in found if one is not None], (_WIDE, _HIGH))
        self.post_message(self.Moved(self))

    @property
    def _fits_across(self) -> int:
        return max(1, self.size.width // _ACROSS)

    @property
    def _fits_down(self) -> int:
        return max(1, (self.size.height - _HEAD) // _DOWN)

    @property
    def _columns(self) -> list[int]:
        """The columns in view; the first one always is."""
        count = len(self._cells.columns)
        rest = range(1 + self._left, min(count, self._left + self._fits_across))
        return [*range(min(1, count)), *rest]

    def on_resize(self) -> None:
        """Keep the cursor in view."""
        self._moved()

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to a picture."""
        down, across = (event.y - _HEAD) // _DOWN, event.x // _ACROSS
        shown = self._columns
        if event.y >= _HEAD and across < len(shown):
            self.at = (self._top + down, shown[across])

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.action_step(1, 0)

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.action_step(-1, 0)

    # ---- drawing -------------------------------------------------------------------------

    def _in_view(self) -> Iterator[tuple[Place, tuple[int, int]]]:
        """Return the places in view, and the corner of the picture of each in the widget."""
        rows = range(self._top, min(len(self._cells.rows), self._top + self._fits_down + 1))
        for down, row in enumerate(rows):
            for across, column in enumerate(self._columns):
                corner = across * _ACROSS + _ACROSS - _WIDE, _HEAD + down * _DOWN + _DOWN - _HIGH
                yield (self._cells.rows[row], self._cells.columns[column]), corner

    def picture_at(self, place: Place) -> Drawn | str | None:
        """Return the small picture of a place; ``None`` if there is none, or none yet."""
        one = self.made(place)
        return None if one is None else self._thumbnails.of(_small(one), (_WIDE, _HIGH))

    def _picture_made(self, made: Small) -> None:
        """Draw a picture that is in view, and only that."""
        for place, corner in self._in_view():
            one = self.made(place)
            if one is not None and _small(one) == made:
                self.refresh(Region(*corner, _WIDE, _HIGH))

    def placed(self) -> list[tuple[Graphic, Region]]:
        """Return the pixels of the pictures in view."""
        found: list[tuple[Graphic, Region]] = []
        left, top = self.content_region.offset
        for place, (x, y) in self._in_view():
            found += pixels_of(self.picture_at(place), left + x, top + y, (_WIDE, _HIGH))
        return found

    def render_line(self, y: int) -> Strip:
        """Draw a line: the models, a prompt, or a line of a row of thumbnails."""
        width, style = self.size.width, self.rich_style
        if not self._cells.rows:
            told = _("none yet: n draws one; or train with sample prompts")
            text = "".join(wrapped(told, max(1, width))[y : y + 1])
            return Strip([Segment(cell(text, width), style + self._look("head"))], width)
        if y < _HEAD:
            head = [
                Segment(
                    "  " + cell(heads(self._cells.columns[column])[y], _WIDE),
                    style + self._look("cursor" if column == self.at[1] else "head"),
                )
                for column in self._columns
            ]
            return fitted(head, width, style)
        down, inner = divmod(y - _HEAD, _DOWN)
        row = self._top + down
        if row >= len(self._cells.rows):
            return Strip.blank(width, style)
        if inner == 0:
            asked = self._cells.rows[row]
            text = f"  {asked.prompt} · {asked.seed}"
            look = self._look("cursor" if row == self.at[0] else "prompt")
            return fitted([Segment(text, style + look)], width, style)
        segments: list[Segment] = []
        for column in self._columns:
            segments += self._piece(row, column, inner - 1, style)
        return Strip(segments).adjust_cell_length(width, style)

    def _piece(self, row: int, column: int, line: int, style: Style) -> list[Segment]:
        place = self._cells.rows[row], self._cells.columns[column]
        here = (row, column) == self.at
        mark = "▐" if here else " "
        sign = " "
        if line == 0:
            sign = "A" if place == self.marked else "★" if self.winner(place[1]) else " "
        look = style + self._look("cursor") if here or sign != " " else style
        made = self.made(place)
        margin = [Segment(sign, look), Segment(mark, look)]
        if made is None:
            return [*margin, Segment(centred("·" if line == 2 else "", _WIDE), style)]
        return [*margin, *line_of(self.picture_at(place), line, (_WIDE, _HIGH), style)]

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"grid--{look}", partial=True)


def heads(column: Column) -> tuple[str, str]:
    """Return the two lines above a column.

    Example:
        >>> heads(Column()), heads(Column("mochi", 80, 0.6, "mochi-step00000080"))
        (('base', ''), ('mochi', '80 × 0.6'))
    """
    if not column.run:
        return _("base"), ""
    step = _("last") if column.step == LAST else str(column.step)
    return column.run, f"{step} × {column.strength:g}"


def in_full(column: Column) -> str:
    """Return what a column has, in full.

    Example:
        >>> in_full(Column()), in_full(Column("mochi", 80, 0.6, "mochi-step00000080"))
        ('base', 'mochi · step 80 · strength 0.6')
    """
    if not column.run:
        return _("base")
    step = _("last") if column.step == LAST else _("step {step}").format(step=column.step)
    strength = _("strength {value}").format(value=f"{column.strength:g}")
    return f"{column.run} · {step} · {strength}"


def _small(made: Made) -> Small:
    return Small(str(made.path), made.mtime_ns)
