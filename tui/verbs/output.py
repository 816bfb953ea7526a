"""What a verb has said: any number of lines, folded to the width; to be selected and copied."""

from collections.abc import Iterator, Sequence

from rich.cells import cell_len, chop_cells
from textual import events
from textual.widgets import Log

_HANG = "  "
"""Before the rest of a line that was folded, besides its own indent."""


class Output(Log):
    """Lines of output; only what is visible is drawn."""

    def __init__(self) -> None:
        super().__init__(auto_scroll=False, id="verb-output")
        self._said: list[str] = []

    @property
    def text(self) -> str:
        """All lines as they were said."""
        return "\n".join(self._said)

    def show(self, lines: Sequence[str], *, follow: bool) -> None:
        """Show these lines; what is new is appended.

        Args:
            lines: All lines.
            follow: Keep the last line in view; else the first.
        """
        old, self._said = self._said, list(lines)
        self.auto_scroll = follow
        if self._said[: len(old)] == old:
            self._append(self._said[len(old) :])
        else:
            self._write_all()

    def on_resize(self, event: events.Resize) -> None:
        """Fold the lines to the new width."""
        del event
        self._write_all()

    def _write_all(self) -> None:
        self.clear()
        self._append(self._said)

    def _append(self, lines: Sequence[str]) -> None:
        width = self.scrollable_content_region.width
        if width > 0 and lines:
            self.write_lines([part for line in lines for part in folded(line, width)])


def folded(line: str, width: int) -> Iterator[str]:
    """Yield a line in parts that fit into a number of cells, broken between words if possible.

    Example:
        >>> list(folded("  - hat, bear, long hair", 14))
        ['  - hat, bear,', '    long hair']
    """
    line = line.expandtabs()
    indent = line[: len(line) - len(line.lstrip())] + _HANG
    if cell_len(indent) > width // 2:
        indent = ""
    while cell_len(line) > width:
        head = chop_cells(line, width)[0]
        space = head.rfind(" ") if line[len(head) : len(head) + 1] != " " else len(head)
        # A break inside the indent would fold nothing.
        cut = space if space > len(indent) else len(head)
        yield line[:cut].rstrip()
        line = indent + line[cut:].lstrip()
    yield line
