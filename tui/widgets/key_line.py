"""The keys that work now, in one line: what does not fit is left out whole, with a sign."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.binding import ActiveBinding
from textual.reactive import reactive
from textual.screen import Screen
from textual.strip import Strip
from textual.widget import Widget

from prep.language import _
from tui.widgets.line_list import cell

_ENDS = ("help", "command_palette")
"""Actions at the right end of the line, whatever is left out: the ways to all other keys."""
_CUT = "…"


@dataclass(frozen=True)
class KeyHint:
    """A key on the line.

    Attributes:
        key: Textual's name of the key, which a click presses.
        shown: The key as it is written on the line.
        title: What it does, in a word or two.
        tooltip: The same in a sentence.
        enabled: It does something at the moment.
    """

    key: str
    shown: str
    title: str
    tooltip: str = ""
    enabled: bool = True

    @property
    def text(self) -> str:
        """Key and title."""
        return f"{self.shown} {self.title}"


@dataclass(frozen=True)
class Placed:
    """A hint at its column; the sign for hints that are left out is ``None``."""

    hint: KeyHint | None
    column: int

    @property
    def text(self) -> str:
        """What is written there."""
        return _CUT if self.hint is None else self.hint.text


def fitted(hints: Sequence[KeyHint], ends: Sequence[KeyHint], width: int) -> list[Placed]:
    """Return where hints stand: the first ones from the left, the last ones at the right end.

    Example:
        >>> edit, find = KeyHint("e", "e", "Edit"), KeyHint("ctrl+p", "^p", "Find")
        >>> [place.column for place in fitted([edit], [find], 20)]
        [0, 13]
    """
    end = width - sum(cell_len(hint.text) for hint in ends) - max(0, len(ends) - 1)
    found: list[Placed] = []
    column = 0
    for number, hint in enumerate(hints):
        # Behind the last one there need not be room for the sign.
        more = 0 if number == len(hints) - 1 else len(_CUT) + 1
        if column + cell_len(hint.text) + more >= end:
            found.append(Placed(None, column))
            break
        found.append(Placed(hint, column))
        column += cell_len(hint.text) + 1
    column = max(0, end)
    for hint in ends:
        found.append(Placed(hint, column))
        column += cell_len(hint.text) + 1
    return found


class KeyLine(Widget):
    """The line of keys at the bottom of a screen; a click presses one."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key", "key-line--off"}
    DEFAULT_CSS = """
    KeyLine {
        dock: bottom; height: 1; background: $panel; color: $footer-description-foreground;
        & > .key-line--key { color: $footer-key-foreground; text-style: bold; }
        & > .key-line--off { text-style: dim; }
    }
    """
    active: reactive[tuple[ActiveBinding, ...]] = reactive(())
    """What the keys do now, the nearest to the focus first."""
    idle: reactive[frozenset[str]] = reactive(frozenset())
    """Actions that do nothing at the moment: their keys are not offered."""

    def on_mount(self) -> None:
        """Follow the focus."""
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self.active = tuple(screen.active_bindings.values())

    @property
    def placed(self) -> list[Placed]:
        """The hints that are shown, and where."""
        hints: dict[str, KeyHint] = {}
        for each in self.active:
            action = each.binding.action
            shown = each.binding.show and action not in self.idle
            if (shown or action in _ENDS) and action not in hints:
                hints[action] = self._hint(each)
        ends = [hints.pop(action) for action in _ENDS if action in hints]
        return fitted(list(hints.values()), ends, self.size.width)

    def _hint(self, active: ActiveBinding) -> KeyHint:
        binding = active.binding
        shown = self.app.get_key_display(binding)
        title, tooltip = _(binding.description), _(active.tooltip)
        return KeyHint(binding.key, shown, title, tooltip, active.enabled)

    def render_line(self, y: int) -> Strip:
        """Draw the keys."""
        del y
        width = self.size.width
        return Strip(self._segments(width), width).crop(0, width)

    def _segments(self, width: int) -> Iterable[Segment]:
        plain = self.rich_style
        bold, off = (
            self.get_component_rich_style(f"key-line--{name}", partial=True)
            for name in ("key", "off")
        )
        at = 0
        for place in self.placed:
            yield Segment(" " * (place.column - at), plain)
            text, hint = place.text, place.hint
            if (room := width - place.column) < cell_len(text):
                yield Segment(cell(text, room), plain)
                return
            if hint is None:
                yield Segment(text, plain)
            else:
                style = plain if hint.enabled else plain + off
                yield Segment(hint.shown, style + bold)
                yield Segment(f" {hint.title}", style)
            at = place.column + cell_len(text)
        yield Segment(" " * (width - at), plain)

    def _under(self, event: events.MouseEvent) -> Placed | None:
        found = (place for place in reversed(self.placed) if place.column <= event.x)
        place = next(found, None)
        if place is None or event.x >= place.column + cell_len(place.text):
            return None
        return place

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Explain the key under the pointer."""
        place = self._under(event)
        self.tooltip = place.hint.tooltip if place is not None and place.hint is not None else None

    def on_click(self, event: events.Click) -> None:
        """Press the key under the pointer."""
        place = self._under(event)
        if place is not None and place.hint is not None:
            self.app.simulate_key(place.hint.key)
