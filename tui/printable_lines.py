"""The last gate before the terminal: lines without control characters, whatever a widget drew."""

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from prep.printable import printable


class PrintableLines(LineFilter):
    """Removes characters that control the terminal; they have no width, so nothing moves.

    Widgets that know that their text comes from outside show a mark instead. This one
    is for what nobody thought of: a message, a title, a key of a table.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:  # noqa: ARG002
        """Return the segments of a line, with safe text."""
        return [_safe(segment) for segment in segments]


def _safe(segment: Segment) -> Segment:
    text = segment.text
    if text.isprintable() or segment.control:
        return segment
    return Segment(printable(text, ""), segment.style)


PRINTABLE = PrintableLines()
