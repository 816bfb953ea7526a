"""Generated pictures as a grid of thumbnails: prompts down, models across, the base first."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
from PIL import Image
from rich.segment import Segment
from rich.style import Style
from textual import events, work
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from prep.errors import UserError
from prep.images import decode
from prep.language import _
from tui import commands
from tui.graphics.blocks import quadrants
from tui.pictures import Made
from tui.sample_cells import LAST, Cells, Column, Row
from tui.session import Session
from tui.widgets.line_list import cell, centred, fitted

_WIDE, _HIGH = 12, 6
"""Cells of a thumbnail."""
_ACROSS, _DOWN = _WIDE + 2, _HIGH + 1
"""Cells from one to the next: a margin for marks on the left, a line with the prompt above."""
_HEAD = 2
_REMEMBERED = 600

Place = tuple[Row, Column]


class SampleGrid(Widget, can_focus=True):
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
        self._thumbs: dict[Made, list[Strip]] = {}
        self.marked: Place | None = None
        self.winner: Callable[[Column], bool] = lambda _column: False

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
        self._draw()
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

    @work(group="thumbnails", exclusive=True, exit_on_error=False)
    async def _draw(self) -> None:
        """Draw the thumbnails in view, one after the other."""
        if self._session.overlay.terminal.drawing == "none":
            return
        for row in range(self._top, min(len(self._cells.rows), self._top + self._fits_down + 1)):
            for column in self._columns:
                made = self.made((self._cells.rows[row], self._cells.columns[column]))
                if made is None or made in self._thumbs:
                    continue
                if len(self._thumbs) >= _REMEMBERED:
                    self._thumbs.clear()
                self._thumbs[made] = await self._session.paint(partial(thumbnail, made))
                self.refresh()
                await asyncio.sleep(0)

    def render_line(self, y: int) -> Strip:
        """Draw a line: the models, a prompt, or a line of a row of thumbnails."""
        width, style = self.size.width, self.rich_style
        if not self._cells.rows:
            text = _("none yet: n draws one; or train with sample prompts") if y == 0 else ""
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
        drawn = self._thumbs.get(made) if made is not None else None
        if drawn is None:
            text = "·" if made is None else "…"
            return [*margin, Segment(centred(text if line == 2 else "", _WIDE), style)]
        strip = drawn[line] if line < len(drawn) else Strip([])
        return [*margin, *strip.adjust_cell_length(_WIDE, style)]

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


def thumbnail(made: Made) -> list[Strip]:
    """Draw a picture as small blocks; nothing for one that cannot be read."""
    try:
        image = decode(made.path)
    except UserError:
        return []
    # A quadrant is twice as high as it is wide.
    scale = min(_WIDE / image.width, _HIGH * 2 / image.height)
    width = max(1, round(image.width * scale)) * 2
    height = max(1, round(image.height * scale / 2)) * 2
    small = image.resize((width, height), Image.Resampling.BOX)
    return quadrants(np.asarray(small.convert("RGB"), np.uint8))
