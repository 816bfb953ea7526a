"""A curve of dots: braille cells hold 2 x 4 points, so a small panel shows a whole training run."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from tui.widgets.line_list import cell, fitted

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Bits of a braille cell, by row and column."""
_LABEL = 8
"""Cells for the numbers on the left."""


@dataclass(frozen=True)
class Series:
    """A named curve; ``look`` is raw, smooth or check; ``wide`` points are crosses."""

    name: str
    look: str
    points: Sequence[tuple[float, float]]
    wide: bool = False


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


def smooth(points: Sequence[tuple[float, float]], weight: float = 0.9) -> list[tuple[float, float]]:
    """Return a moving average that is not pulled towards the first value.

    Example:
        >>> [round(y, 2) for _, y in smooth([(0, 1.0), (1, 1.0), (2, 0.0)], 0.5)]
        [1.0, 1.0, 0.43]
    """
    total = norm = 0.0
    result = []
    for x, y in points:
        total = total * weight + y * (1 - weight)
        norm = norm * weight + (1 - weight)
        result.append((x, total / norm))
    return result


def limits(series: Sequence[Series]) -> tuple[float, float, float, float] | None:
    """Return (left, right, bottom, top); single outliers do not flatten the curve."""
    points = [point for one in series for point in one.points]
    if not points:
        return None
    values = sorted(y for _, y in points)
    cut = len(values) // 100
    bottom, top = values[cut], values[-1 - cut]
    # A margin, so that points on the edge are visible, and flat curves are in the middle.
    room = (top - bottom) * 0.05 or abs(top) * 0.1 or 0.1
    bottom, top = bottom - room, top + room
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    return left, max(right, left + 1), bottom, top


class Chart(Widget):
    """Curves over steps."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chart--raw",
        "chart--smooth",
        "chart--check",
        "chart--axis",
    }

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self._series: list[Series] = []
        self._grid = _Grid(0, 0)
        self._limits: tuple[float, float, float, float] | None = None

    def show(self, series: Sequence[Series]) -> None:
        """Draw these curves."""
        self._series = [one for one in series if one.points]
        self._plot()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._plot()

    def _plot(self) -> None:
        width, height = max(1, self.size.width - _LABEL), max(1, self.size.height - 2)
        self._grid, self._limits = _Grid(width, height), limits(self._series)
        if self._limits is not None:
            for one in self._series:
                self._plot_series(one, self._limits)
        self.refresh()

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
            elif one.look == "smooth" and before is not None:
                self._line(before, (column, row), one.look)
            self._grid.dot(column, row, one.look)
            before = (column, row)

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
            text = "the curve appears with the first steps" if y == height // 2 else ""
            return Strip([Segment(cell(text.center(width), width), style + self._look("axis"))])
        if y == 0:
            return self._legend(width)
        if y == height - 1:
            left, right = (f"{value:.0f}" for value in self._limits[:2])
            gap = max(1, width - _LABEL - len(left) - len(right) - 5)
            text = f"{' ' * _LABEL}{left}{' ' * gap}step {right}"
            return Strip([Segment(cell(text, width), style + self._look("axis"))], width)
        return self._curve(y - 1, width)

    def _curve(self, row: int, width: int) -> Strip:
        assert self._limits is not None
        _, _, bottom, top = self._limits
        rows = self._grid.height
        label = ""
        if row % max(2, rows // 4) == 0 or row == rows - 1:
            label = f"{top - (top - bottom) * row / max(1, rows - 1):.3g}"
        style = self.rich_style
        segments = [Segment(f"{label:>{_LABEL - 2}} │", style + self._look("axis"))]
        for column in range(self._grid.width):
            bits, look = self._grid.cells.get((column, row), (0, "axis"))
            segments.append(Segment(chr(0x2800 + bits) if bits else " ", style + self._look(look)))
        return Strip(segments).simplify().adjust_cell_length(width, style)

    def _legend(self, width: int) -> Strip:
        segments = [Segment("  ", self.rich_style)]
        for one in self._series:
            glyph = "┼" if one.wide else ("━" if one.look == "smooth" else "⠂")
            text = f"{glyph} {one.name} {one.points[-1][1]:.4f}  "
            segments.append(Segment(text, self.rich_style + self._look(one.look)))
        return fitted(segments, width, self.rich_style)

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"chart--{look}", partial=True)
