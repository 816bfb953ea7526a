"""A slider for a number from 0.05 to 1, with the spread of what it cuts drawn above it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from prep.language import _
from tui import commands
from tui.widgets.line_list import cell

LEAST, MOST = 0.05, 1.0
_STEP = 0.01
_NAME, _VALUE = 11, 7
"""Cells of the name on the left and of the number on the right."""
_BARS = " ▁▂▃▄▅▆▇█"


class Slider(Widget, can_focus=True):
    """A name, a track with a handle, and the value; two lines, the upper one shows the spread.

    Attributes:
        value: The number, in hundredths; ``None`` where each tag has its own.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "slider--name",
        "slider--bars",
        "slider--cut",
        "slider--track",
        "slider--handle",
    }
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("slider")

    value: reactive[float | None] = reactive(None)

    @dataclass
    class Changed(Message):
        """The user has moved the handle."""

        slider: "Slider"

        @property
        def control(self) -> "Slider":
            """The slider, for ``@on`` selectors."""
            return self.slider

        def can_replace(self, message: Message) -> bool:
            """Only the newest position matters."""
            return isinstance(message, Slider.Changed) and message.slider is self.slider

    def __init__(self, name: str, label: str, *, id: str | None = None) -> None:  # noqa: A002
        """Create a slider.

        Args:
            name: What it sets.
            label: The same for people.
            id: Name in the stylesheet.
        """
        super().__init__(name=name, id=id)
        self._label = label
        self._usual: float | None = None
        self._counts: Sequence[int] = ()
        self._heights: list[int] = []

    def show(self, usual: float | None, counts: Sequence[int]) -> None:
        """Show what is set elsewhere, and how many scores lie where.

        Args:
            usual: The value in force, which ``reset`` goes back to.
            counts: Scores by hundredth, from ``LEAST`` to ``MOST``.
        """
        self._usual, self._counts = usual, counts
        self.on_resize()

    @property
    def moved(self) -> bool:
        """Whether it is not at the value in force."""
        return self.value != self._usual

    def validate_value(self, value: float | None) -> float | None:
        """Keep it on the track, in whole hundredths."""
        return None if value is None else round(min(MOST, max(LEAST, value)), 2)

    # ---- moving --------------------------------------------------------------------------

    def action_slide(self, steps: int) -> None:
        """Move the handle by hundredths; one that is nowhere appears in the middle."""
        middle = (LEAST + MOST) / 2
        self._move((middle if self.value is None else self.value) + steps * _STEP)

    def action_reset(self) -> None:
        """Go back to the value in force."""
        self._move(self._usual)

    def _move(self, value: float | None) -> None:
        before, self.value = self.value, value
        if self.value != before:
            self.post_message(self.Changed(self))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Move the handle under the mouse, and follow it."""
        self.capture_mouse()
        self._follow(event)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Follow the mouse while its button is held."""
        if self.app.mouse_captured is self:
            self._follow(event)

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()

    def _follow(self, event: events.MouseEvent) -> None:
        place = event.x - self.gutter.left - _NAME
        if self._track > 1 and -1 <= place <= self._track:
            self._move(LEAST + place / (self._track - 1) * (MOST - LEAST))

    # ---- drawing -------------------------------------------------------------------------

    @property
    def _track(self) -> int:
        return max(0, self.size.width - _NAME - _VALUE)

    def on_resize(self) -> None:
        """Fit the spread into the track."""
        width = self._track
        columns = [0] * width
        for place, count in enumerate(self._counts):
            if width:
                columns[min(width - 1, place * width // max(1, len(self._counts)))] += count
        # Square roots, since some columns have a thousand times as many as others.
        most = max((count**0.5 for count in columns), default=0) or 1
        self._heights = [-(-int(count**0.5 * 8 / most * 100) // 100) for count in columns]
        self.refresh()  # it may have been drawn in its new size by now

    def _column(self, value: float) -> int:
        return round((value - LEAST) / (MOST - LEAST) * (self._track - 1))

    def render_line(self, y: int) -> Strip:
        """Draw the spread or the track."""
        width, style = self.size.width, self.rich_style
        name = style + self._look("name")
        segments = [Segment(cell(self._label if y else "", _NAME), name)]
        segments += self._bars(style) if y == 0 else self._line(style)
        text = ""
        if y == 1:
            text = _("by tag") if self.value is None else f"{self.value:.2f}"
        elif self.moved and self._usual is not None:
            text = f"({self._usual:.2f})"
        segments.append(Segment(cell(text, _VALUE, right=True), name))
        return Strip(segments).adjust_cell_length(width, style)

    def _bars(self, style: Style) -> list[Segment]:
        cut = -1 if self.value is None else self._column(self.value)
        bars = "".join(_BARS[min(8, height)] for height in self._heights)
        return [
            Segment(bars[: max(0, cut)], style + self._look("cut")),
            Segment(bars[max(0, cut) :], style + self._look("bars")),
        ]

    def _line(self, style: Style) -> list[Segment]:
        track, handle = style + self._look("track"), style + self._look("handle")
        if self.value is None:
            return [Segment("┄" * self._track, track)]
        place = self._column(self.value)
        right = list("━" * self._track)
        left = ["─"] * place
        line = left + right[place:]
        if self._usual is not None:
            line[self._column(self._usual)] = "┼"
        return [
            Segment("".join(line[:place]), track),
            Segment("●", handle),
            Segment("".join(line[place + 1 :]), handle if self.has_focus else track),
        ]

    def _look(self, look: str) -> Style:
        return self.get_component_rich_style(f"slider--{look}", partial=True)
