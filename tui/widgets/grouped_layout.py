"""Where the items of a list are: in groups with headings, in one column or in several.

Arithmetic on the number of items of each group only: it costs the same for 10 and for 1,000,000.
"""

from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Spot(NamedTuple):
    """What is on a line.

    Attributes:
        group: The group.
        items: The items side by side; none on the line of a heading.
        part: Line within these items.
    """

    group: int
    items: range
    part: int


@dataclass(frozen=True)
class GroupedLayout:
    """The places of items.

    Attributes:
        count: The number of items.
        starts: The first item of each group; the first group starts with 0.
        columns: Items side by side.
        height: Lines of an item.
    """

    count: int = 0
    starts: tuple[int, ...] = (0,)
    columns: int = 1
    height: int = 1

    @property
    def headings(self) -> int:
        """Lines of the heading of each group: none if there is only one group."""
        return int(len(self.starts) > 1)

    def size(self, group: int) -> int:
        """Return the number of items of a group."""
        return (*self.starts[1:], self.count)[group] - self.starts[group]

    @cached_property
    def _tops(self) -> list[int]:
        """The first line of each group, and behind them the number of all lines."""
        tops = [0]
        for group in range(len(self.starts)):
            rows = -(-self.size(group) // self.columns)
            tops.append(tops[-1] + self.headings + rows * self.height)
        return tops

    @property
    def lines(self) -> int:
        """The number of lines."""
        return self._tops[-1] if self.count else 0

    def line(self, item: int) -> int:
        """Return the first line of an item.

        Example:
            >>> [GroupedLayout(5, (0, 3), columns=2, height=4).line(item) for item in range(5)]
            [1, 1, 5, 10, 10]
        """
        group = bisect_right(self.starts, item) - 1
        row = (item - self.starts[group]) // self.columns
        return self._tops[group] + self.headings + row * self.height

    def at(self, line: int) -> Spot:
        """Return what is on a line, which must be one of ``lines``."""
        group = bisect_right(self._tops, line, hi=len(self.starts)) - 1
        below = line - self._tops[group] - self.headings
        if below < 0:
            return Spot(group, range(self.starts[group], self.starts[group]), 0)
        row, part = divmod(below, self.height)
        first = self.starts[group] + row * self.columns
        end = self.starts[group] + self.size(group)
        return Spot(group, range(first, min(first + self.columns, end)), part)

    def between(self, first: int, last: int) -> range:
        """Return the items that have a line among ``first`` to before ``last``."""
        last = min(last, self.lines)
        if first >= last:
            return range(0)
        return range(self.at(first).items.start, self.at(last - 1).items.stop)

    def beside(self, item: int, rows: int) -> int:
        """Return the item that is some rows below (or above) another, in the same column."""
        spot = self.at(self.line(item))
        column = item - spot.items.start
        for _row in range(abs(rows)):
            there = spot.items.stop if rows > 0 else spot.items.start - 1
            if not 0 <= there < self.count:
                break
            spot = self.at(self.line(there))
        return min(spot.items.start + column, spot.items.stop - 1)
