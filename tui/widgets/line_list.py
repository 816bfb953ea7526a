"""A list that draws only visible lines, and costs the same for 10 and for 1,000,000.

One widget per line is too slow: Textual takes eight seconds to paint 1,000. Here a line is
drawn on demand, from pieces of text with a style name each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Input, TextArea

from prep.language import counted
from prep.language.wrapping import wrapped
from prep.printable import printable
from tui import commands

Piece = tuple[str, str]
"""Text and its style: empty, or one of ``LOOKS``."""

LOOKS = ("title", "dim", "good", "warn", "bad", "key")


def clean(text: str) -> str:
    r"""Return text for one line: control characters become a visible mark.

    Example:
        >>> clean("a\x1b[31m\nb")
        'a�[31m�b'
    """
    if text.isprintable():
        return text
    return "�".join(printable(text, "�").replace("\t", "\n").split("\n"))


def cell(text: str, width: int, *, right: bool = False) -> str:
    """Return text cut or padded to a number of terminal cells.

    Example:
        >>> cell("long name", 6), cell("7", 3, right=True)
        ('long …', '  7')
    """
    if width <= 0:
        return ""
    fitted = set_cell_size(clean(text), width)
    if fitted.rstrip() != clean(text).rstrip():
        return set_cell_size(clean(text), width - 1) + "…"
    if right:
        stripped = fitted.rstrip()
        return " " * (len(fitted) - len(stripped)) + stripped
    return fitted


def centred(text: str, width: int) -> str:
    """Return text in the middle of ``width`` terminal cells, cut if it is longer.

    Example:
        >>> centred("なし", 8), centred("none", 9)
        ('  なし  ', '  none   ')
    """
    return cell(" " * ((width - cell_len(clean(text))) // 2) + text, width)


def fitted(segments: Sequence[Segment], width: int, style: Style) -> Strip:
    """Return a line of exactly ``width`` cells; … stands for what is cut off."""
    strip = Strip(segments)
    if strip.cell_length <= width:
        return strip.adjust_cell_length(width, style)
    kept = strip.crop(0, max(0, width - 1))
    last = next((segment.style for segment in reversed(list(kept)) if segment.text), style)
    return Strip([*kept, Segment("…", last)]).adjust_cell_length(width, style)


def to_panel(widget: Widget, step: int) -> None:
    """Move the focus to another panel, past text fields: the same key would be typed there."""
    panels = [each for each in widget.screen.focus_chain if not takes_text(each)]
    if widget in panels:
        widget.screen.set_focus(panels[(panels.index(widget) + step) % len(panels)])


def takes_text(widget: Widget | None) -> bool:
    """Return whether letters are typed into a widget, instead of being commands."""
    return isinstance(widget, Input | TextArea)


def count_of(number: int, noun: str) -> str:
    """Return a number with its noun.

    Example:
        >>> count_of(1, "group"), count_of(3, "group")
        ('1 group', '3 groups')
    """
    text = "{count} " + noun
    return counted(text, f"{text}s", number)


class LineList(ScrollView, can_focus=True):
    """Lines with a cursor; subclasses define the number of lines and their content."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"line--cursor", *(f"line--{look}" for look in LOOKS)}
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("list")

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class Moved(Message):
        """The cursor moved to another line, or its line changed."""

        list: "LineList"
        index: int

        @property
        def control(self) -> "LineList":
            """The list, for ``@on`` selectors."""
            return self.list

        def can_replace(self, message: Message) -> bool:
            """Only the newest position matters."""
            return isinstance(message, LineList.Moved) and message.list is self.list

    @dataclass
    class Chosen(Message):
        """The line was opened, with enter or a double click."""

        list: "LineList"
        index: int

        @property
        def control(self) -> "LineList":
            """The list, for ``@on`` selectors."""
            return self.list

    # ---- for subclasses ------------------------------------------------------------------

    @property
    def count(self) -> int:
        """The number of lines."""
        raise NotImplementedError

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return a line as pieces that together are ``width`` cells wide."""
        raise NotImplementedError

    def header(self, width: int) -> str:
        """Return the heading above the lines; empty for none."""
        del width
        return ""

    def count_changed(self, cursor: int = 0) -> None:
        """Redraw everything after the number of lines has changed."""
        self.virtual_size = Size(1, self.count + self._top)
        self.cursor = max(0, min(cursor, self.count - 1))
        self._show_cursor()
        self.refresh()

    @property
    def _top(self) -> int:
        return 1 if self.header(1) else 0

    @property
    def in_view(self) -> range:
        """The indexes of the visible lines."""
        first = self.scroll_offset.y
        return range(first, min(self.count, first + max(0, self.size.height - self._top)))

    # ---- drawing -------------------------------------------------------------------------

    def render_line(self, y: int) -> Strip:
        """Draw one line of the screen."""
        # Without the scroll bar, which would hide the mark of a line that is cut off.
        width, style = self.scrollable_size.width, self.rich_style
        if y < self._top:
            text = cell(self.header(width), width)
            return Strip([Segment(text, style + self._look("dim"))], width)
        index = y - self._top + self.scroll_offset.y
        if index >= self.count:
            return Strip.blank(width, style)
        under = self._cursor_style() if index == self.cursor else None
        segments = [
            Segment(text, style + (self._look(look) if look else Style()) + (under or Style()))
            for text, look in self.draw(index, width)
        ]
        return fitted(segments, width, style + (under or Style()))

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"line--{look}", partial=True)

    def _cursor_style(self) -> Style:
        return self.get_component_rich_style("line--cursor", partial=True)

    def refresh_index(self, index: int) -> None:
        """Redraw one line."""
        self.refresh_line(index + self._top)

    # ---- moving --------------------------------------------------------------------------

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a line."""
        return max(0, min(cursor, self.count - 1))

    def watch_cursor(self, old: int, new: int) -> None:
        """Show where the cursor is."""
        self.refresh_index(old)
        self.refresh_index(new)
        self._show_cursor()
        self.post_message(self.Moved(self, new))

    def _show_cursor(self) -> None:
        height = max(1, self.size.height - self._top)
        first = self.scroll_offset.y
        if self.cursor < first:
            self._scroll_to_line(self.cursor)
        elif self.cursor >= first + height:
            self._scroll_to_line(self.cursor - height + 1)

    def _scroll_to_line(self, line: int) -> None:
        # Forced: Textual refuses to scroll until the next layout has shown the scroll bar, and
        # nothing would ask again.
        self.scroll_to(y=line, animate=False, force=True)

    def on_resize(self) -> None:
        """Keep the cursor visible."""
        self._show_cursor()

    def action_move(self, lines: int) -> None:
        """Move the cursor."""
        self.cursor += lines

    def action_page(self, pages: int) -> None:
        """Move the cursor by one page."""
        self.cursor += pages * max(1, self.size.height - self._top - 1)

    def action_first(self) -> None:
        """Move to the first line."""
        self.cursor = 0

    def action_last(self) -> None:
        """Move to the last line."""
        self.cursor = self.count - 1

    def action_next_panel(self) -> None:
        """Move the focus to the next panel."""
        to_panel(self, 1)

    def action_previous_panel(self) -> None:
        """Move the focus to the previous panel."""
        to_panel(self, -1)

    def action_choose(self) -> None:
        """Open the line."""
        if self.count:
            self.post_message(self.Chosen(self, self.cursor))

    # ---- mouse ---------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Move the cursor; a double click opens the line."""
        index = event.y - self._top + self.scroll_offset.y
        if event.y < self._top or not 0 <= index < self.count:
            return
        self.cursor = index
        self.clicked(event)
        if event.chain == 2:
            self.action_choose()

    def clicked(self, event: events.Click) -> None:
        """Handle a click on a line; the cursor is already there."""


class ItemList(LineList):
    """A list of given lines.

    Attributes:
        empty: Text shown if there are no lines.
        loading_text: Text shown until it is known whether there are lines; empty if that is known.
        loaded: Lines were shown, or it is known that there are none.
    """

    def __init__(
        self,
        *,
        empty: str = "",
        loading: str = "",
        heading: str = "",
        id: str | None = None,  # noqa: A002
    ) -> None:
        super().__init__(id=id)
        self._items: list[list[Piece]] = []
        self.empty, self.loading_text = empty, loading
        self.loaded = not loading
        self._heading = heading

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self._items)

    def header(self, width: int) -> str:
        """Return the heading."""
        del width
        return self._heading

    def show(self, items: list[list[Piece]], *, keep: bool = True, complete: bool = True) -> None:
        """Show these lines.

        Args:
            items: The lines.
            keep: Keep the position of the cursor.
            complete: Nothing is still being looked for: no lines means that there are none.
        """
        self._items = items
        self.loaded = complete or bool(items)
        self.count_changed(self.cursor if keep else 0)
        self.post_message(self.Moved(self, self.cursor))

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return the line; its last piece is truncated if space is short."""
        del width
        return self._items[index]

    def render_line(self, y: int) -> Strip:
        """Draw one line, or what to do if there is none."""
        if y >= self._top and not self._items and self.empty:
            width, style = self.size.width, self.rich_style + self._look("dim")
            lines = wrapped(self.empty if self.loaded else self.loading_text, max(1, width))
            text = lines[y - self._top] if y - self._top < len(lines) else ""
            return Strip([Segment(cell(text, width), style)], width)
        return super().render_line(y)
