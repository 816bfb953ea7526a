"""A curve of dots: braille cells hold 2 x 4 points, so a small panel shows a whole training run."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from prep.language import _
from tui.widgets.line_list import cell, centred, fitted

RUNS = 6
"""Runs that have a look of their own."""
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille cell, by row and column."""
_LABEL = 8
"""Cells for the numbers on the left."""
_MANY = 20
"""Points from which on the extreme ones do not decide the axis."""
_APART = 12
"""Cells between two numbers below the curve."""


@dataclass(frozen=True)
class Series:
    """A named curve.

    Attributes:
        name: For the legend.
        look: raw, smooth, check, or run-0 to run-5 for the curves of several runs.
        points: Pairs of step and value; those that are not finite are left out.
        wide: Points are crosses, and all of them count for the axis.
        mark: A letter at the end of the curve; empty for none.
    """

    name: str
    look: str
    points: Sequence[tuple[float, float]]
    wide: bool = False
    mark: str = ""

    @property
    def line(self) -> bool:
        """Whether its points are joined."""
        return not self.wide and self.look != "raw"


@dataclass
class _Grid:
    """Dots by cell: (column, row) -> [bits, look]; a later series goes over an earlier one."""

    width: int
    height: int
    cells: dict[tuple[int, int], tuple[int, str]] = field(default_factory=dict)

    def dot(self, x: int, y: int, look: str) -> None:
        if 0 <= x < self.width * 2 and 0 <= y < self.height * 4:
            place = (x // 2, y // 4)
            bits = self.cells.get(place, (0, ""))[0]
            self.cells[place] = (bits | _DOTS[y % 4][x % 2], look)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Return round numbers in steps of 1, 2, 2.5 or 5 from at most ``low`` to at least ``high``.

    Args:
        low: Least value.
        high: Greatest value, above ``low``.
        most: Number of steps that there may be, at least 1.

    Example:
        >>> ticks(0.0686, 0.463, 5), ticks(1, 120, 3)
        ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0.0, 50.0, 100.0, 150.0])
    """
    exponent = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 2.5, 5, 10, 20, 25, 50):
        step = factor * 10.0**exponent
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    digits = max(0, 1 - exponent)
    return [round(n * step, digits + 1) for n in range(first, last + 1)]


def limits(series: Sequence[Series]) -> tuple[float, float, float, float] | None:
    """Return (left, right, bottom, top); single outliers do not flatten the curve.

    Of each curve of twenty points and more, the two per cent furthest up and down do not count;
    they are drawn on the edge.
    """
    values: list[float] = []
    for one in series:
        own = sorted(y for _, y in one.points)
        cut = max(1, len(own) // 50) if len(own) >= _MANY and not one.wide else 0
        values += own[cut : len(own) - cut]
    if not values:
        return None
    bottom, top = min(values), max(values)
    if top - bottom < 1e-9 * max(abs(top), 1e-9):  # a flat curve is in the middle
        room = abs(top) * 0.1 or 0.1
        bottom, top = bottom - room, top + room
    columns = [x for one in series for x, _ in one.points]
    return min(columns), max(max(columns), min(columns) + 1), bottom, top


class Chart(Widget):
    """Curves over steps."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--raw",
        "chart--smooth",
        "chart--check",
        "chart--axis",
        *(f"chart--run-{n}" for n in range(RUNS)),
    }

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._series: list[Series] = []
        self._grid = _Grid(0, 0)
        self._limits: tuple[float, float, float, float] | None = None
        self._rows: dict[int, str] = {}
        self._columns: dict[int, str] = {}
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}

    def show(self, series: Sequence[Series]) -> None:
        """Draw these curves."""
        finite = [
            replace(one, points=[(x, y) for x, y in one.points if math.isfinite(y)])
            for one in series
        ]
        self._series = [one for one in finite if one.points]
        self._plot()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._plot()

    def _plot(self) -> None:
        width, height = max(1, self.size.width - _LABEL), max(1, self.size.height - 2)
        self._grid, self._limits, self._marks = _Grid(width, height), None, {}
        if (found := limits(self._series)) is not None:
            self._limits = self._with_axes(found, width, height)
            for one in self._series:
                self._plot_series(one, self._limits)
        self.refresh()

    def _with_axes(
        self, found: tuple[float, float, float, float], width: int, height: int
    ) -> tuple[float, float, float, float]:
        """Widen the limits to round numbers, and remember where these stand."""
        left, right, bottom, top = found
        heights = ticks(bottom, top, max(1, min(6, (height - 1) // 2)))
        bottom, top = heights[0], heights[-1]
        self._rows = {
            round((top - value) / (top - bottom) * (height - 1)): f"{value:g}" for value in heights
        }
        self._columns = {}
        for step in ticks(left, right, max(1, width // _APART)):
            if left <= step <= right:
                column = round((step - left) / (right - left) * (width - 1))
                self._columns[column] = f"{step:g}"
        return left, right, bottom, top

    def _plot_series(self, one: Series, box: tuple[float, float, float, float]) -> None:
        left, right, bottom, top = box
        columns, rows = self._grid.width * 2, self._grid.height * 4
        before: tuple[int, int] | None = None
        for x, y in one.points:
            column = round((x - left) / (right - left) * (columns - 1))
            row = round((top - min(max(y, bottom), top)) / (top - bottom) * (rows - 1))
            if one.wide:
                for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
                    self._grid.dot(column + dx, row + dy, one.look)
            elif one.line and before is not None:
                self._line(before, (column, row), one.look)
            self._grid.dot(column, row, one.look)
            before = (column, row)
        if one.mark and before is not None:
            place = (before[0] // 2, before[1] // 4)
            while place in self._marks:  # curves that end in one point
                place = (place[0] - 1, place[1])
            self._marks[place] = (one.mark, one.look)

    def _line(self, start: tuple[int, int], end: tuple[int, int], look: str) -> None:
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(1, steps):
            share = step / steps
            x = round(start[0] + (end[0] - start[0]) * share)
            self._grid.dot(x, round(start[1] + (end[1] - start[1]) * share), look)

    def render_line(self, y: int) -> Strip:
        """Draw one line: legend, curves, or the axis below."""
        width, height = self.size
        style = self.rich_style
        if self._limits is None:
            text = _("the curve appears with the first steps") if y == height // 2 else ""
            return Strip([Segment(centred(text, width), style + self._look("axis"))])
        if y == 0:
            return self._legend(width)
        if y == height - 1:
            return Strip([Segment(self._below(width), style + self._look("axis"))], width)
        return self._curve(y - 1, width)

    def _below(self, width: int) -> str:
        """Return the numbers below the curve, each under its point, and what they are."""
        line = [" "] * width
        for column, text in self._columns.items():
            start = max(0, min(_LABEL + column - len(text) // 2, width - len(text)))
            if all(cell == " " for cell in line[max(0, start - 1) : start + len(text) + 1]):
                line[start : start + len(text)] = text
        name = _("step")
        if all(one == " " for one in line[: cell_len(name) + 1]):
            line[: cell_len(name)] = name
        return cell("".join(line), width)

    def _curve(self, row: int, width: int) -> Strip:
        label = self._rows.get(row, "")
        style = self.rich_style
        edge = "┤" if label else "│"
        segments = [Segment(f"{label:>{_LABEL - 2}} {edge}", style + self._look("axis"))]
        for column in range(self._grid.width):
            bits, look = self._grid.cells.get((column, row), (0, "axis"))
            text = chr(0x2800 + bits) if bits else ("·" if label and column % 4 == 0 else " ")
            text, look = self._marks.get((column, row), (text, look))
            segments.append(Segment(text, style + self._look(look)))
        return Strip(segments).simplify().adjust_cell_length(width, style)

    def _legend(self, width: int) -> Strip:
        segments = [Segment("  ", self.rich_style)]
        for one in self._series:
            glyph = one.mark or ("┼" if one.wide else ("━" if one.line else "⠂"))
            text = f"{glyph} {one.name} {one.points[-1][1]:.3g}  "
            segments.append(Segment(text, self.rich_style + self._look(one.look)))
        return fitted(segments, width, self.rich_style)

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"chart--{look}", partial=True)
