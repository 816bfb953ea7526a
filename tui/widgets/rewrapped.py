"""A text that is made anew for the width that it has: for lists whose long lines hang."""

from collections.abc import Callable

from textual import events
from textual.content import Content
from textual.widgets import Static

from prep.language.wrapping import wrapped


class Rewrapped(Static):
    """A text that depends on the number of its columns."""

    def __init__(self, make: Callable[[int], Content]) -> None:
        """Make it.

        Args:
            make: Returns the text for so many columns.
        """
        super().__init__()
        self._make, self._columns = make, 0

    def on_resize(self, event: events.Resize) -> None:
        """Break its lines for another width."""
        if event.size.width != self._columns:
            self._columns = event.size.width
            self.update(self._make(self._columns))


def hanging(text: str, indent: int, columns: int) -> str:
    r"""Return a text of which all lines but the first are indented.

    Args:
        text: One line or several.
        indent: Columns that are already used in the first line.
        columns: All columns of a line.

    Example:
        >>> hanging("one two three", 4, 12)
        'one two\n    three'
    """
    width = max(1, columns - indent)
    lines = [part for line in text.splitlines() for part in wrapped(line, width)]
    return f"\n{' ' * indent}".join(lines)
