"""The tags of one image, each a chip: with its score, and who wrote it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widget import Widget

from prep.editing.one_caption import Origin, TagOrigin
from prep.language import _
from tui import commands
from tui.widgets.line_list import cell, clean, to_panel

_GLYPHS: dict[Origin, str] = {"tagger": "", "hand": "✎", "rule": "⚙", "sentence": "¶"}
"""In front of a tag; what a tagger wrote has none, and shows its score instead."""


class _Chip(NamedTuple):
    """Where a chip is drawn: its line, first cell and text."""

    line: int
    left: int
    text: str

    @property
    def right(self) -> int:
        return self.left + cell_len(self.text)


class TagChips(Widget, can_focus=True):
    """The tags of a caption; keys and the mouse take them away, move them and look them up.

    It scrolls by itself: Textual would lay out the whole screen for each image with another number
    of lines.

    Attributes:
        cursor: Place of the tag that keys act on.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "chips--chip",
        "chips--hand",
        "chips--rule",
        "chips--cursor",
        "chips--target",
        "chips--dim",
    }
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("chips")

    cursor: reactive[int] = reactive(0, repaint=False)

    @dataclass
    class Deleted(Message):
        """A tag should go."""

        path: str
        tag: str
        place: int

    @dataclass
    class Dragged(Message):
        """A tag should stand at another place."""

        path: str
        tag: str
        place: int
        to: int

    @dataclass
    class Chosen(Message):
        """The images with this tag are wanted."""

        tag: str

    class Left(Message):
        """The user is done here."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.path = ""
        self.tags: list[TagOrigin] = []
        self.translate: Callable[[str], str] = lambda _tag: ""
        self._chips: list[_Chip] = []
        self._first = 0
        self._held: int | None = None
        self._target: int | None = None
        self.border_title = _("Tags of this image")

    def show(self, path: str, tags: Sequence[TagOrigin]) -> None:
        """Show the tags of an image; the cursor stays at its place in the same one."""
        same = path == self.path
        self.path, self.tags = path, list(tags)
        self._held = self._target = None
        self._lay_out()
        self._first = self._first if same else 0
        self.cursor = min(self.cursor, max(0, len(self.tags) - 1)) if same else 0
        self._tell()

    # ---- drawing -------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Put the chips on lines."""
        width = max(1, self.content_size.width)
        self._chips = []
        line = left = 0
        for tag in self.tags:
            words = _words(tag, self.translate(tag.tag))
            text = f" {words} "
            if cell_len(text) > width:
                text = f" {cell(words, width - 2)} "
            if left and left + cell_len(text) > width:
                line, left = line + 1, 0
            self._chips.append(_Chip(line, left, text))
            left += cell_len(text) + 1
        self._first = max(0, min(self._first, line + 1 - self.content_size.height))
        self.refresh()

    def on_resize(self) -> None:
        """Put the chips on lines again."""
        self._lay_out()
        self._show_cursor()

    def render_line(self, y: int) -> Strip:
        """Draw one line of chips."""
        width, style = self.content_size.width, self.rich_style
        line = y + self._first
        if not self.tags:
            text = _("no tags yet") if self.path and not line else ""
            dim = self.get_component_rich_style("chips--dim", partial=True)
            return Strip([Segment(cell(text, width), style + dim)], width)
        segments, place = list[Segment](), 0
        for number, chip in enumerate(self._chips):
            if chip.line == line:
                segments.append(Segment(" " * (chip.left - place), style))
                segments.append(Segment(self._text(number, chip), style + self._look(number)))
                place = chip.right
        below = y == self.content_size.height - 1 and self._chips[-1].line > line
        if below and place < width:
            segments.append(Segment(" " * (width - place - 1) + "…", style))
        return Strip(segments).adjust_cell_length(width, style)

    def _text(self, number: int, chip: _Chip) -> str:
        """Return the text of a chip; brackets say where the cursor is, not colour alone."""
        if number == self._target and self._held is not None:
            return f"▸{chip.text[1:]}" if number < self._held else f"{chip.text[:-1]}◂"
        return f"[{chip.text[1:-1]}]" if number == self.cursor and self.has_focus else chip.text

    def _look(self, number: int) -> Style:
        look = {"hand": "hand", "rule": "rule"}.get(self.tags[number].origin, "chip")
        if number == self.cursor and self.has_focus:
            look = "cursor"
        elif number == self._target:
            look = "target"
        return self.get_component_rich_style(f"chips--{look}", partial=True)

    def _tell(self) -> None:
        """Say below the chips what the one under the cursor is, or what the signs mean."""
        if self.has_focus and self.tags:
            tag = self.tags[self.cursor]
            meaning = self.translate(tag.tag)
            self.border_subtitle = " · ".join(filter(None, (meaning, _origin(tag))))
        else:
            self.border_subtitle = _("✎ by hand · ⚙ rule · .93 score") if self.tags else ""

    def watch_has_focus(self, has_focus: bool) -> None:
        """Show or hide the cursor, and what is under it."""
        super().watch_has_focus(has_focus)
        self._tell()
        self.refresh()

    # ---- moving --------------------------------------------------------------------------

    def validate_cursor(self, cursor: int) -> int:
        """Keep the cursor on a tag."""
        return max(0, min(cursor, len(self.tags) - 1))

    def watch_cursor(self) -> None:
        """Show where the cursor is."""
        self._show_cursor()
        self._tell()
        self.refresh()

    def _show_cursor(self) -> None:
        if self._chips:
            line, height = self._chips[self.cursor].line, max(1, self.content_size.height)
            first = self._first
            if not first <= line < first + height:
                self._first = line if line < first else line - height + 1

    def action_step(self, tags: int) -> None:
        """Move the cursor by tags, and at either end to the next panel, as in lists."""
        if 0 <= self.cursor + tags < len(self.tags):
            self.cursor += tags
        else:
            to_panel(self, tags)

    def action_line(self, lines: int) -> None:
        """Move the cursor to the nearest tag of another line."""
        if not self._chips:
            return
        here = self._chips[self.cursor]
        there = [
            (abs(chip.left - here.left), number)
            for number, chip in enumerate(self._chips)
            if chip.line == here.line + lines
        ]
        if there:
            self.cursor = min(there)[1]

    # ---- acting --------------------------------------------------------------------------

    def action_delete(self) -> None:
        """Take the tag away; at once on the screen, so that the next press means the next tag."""
        if self.tags:
            place, tag = self.cursor, self.tags[self.cursor].tag
            self.show(self.path, self.tags[:place] + self.tags[place + 1 :])
            self.post_message(self.Deleted(self.path, tag, place))

    def action_drag(self, places: int) -> None:
        """Move the tag under the cursor."""
        self._drop(self.cursor, self.cursor + places)

    def _drop(self, place: int, to: int) -> None:
        if not self.tags or place == to or not 0 <= to < len(self.tags):
            return
        tag = self.tags[place]
        rest = self.tags[:place] + self.tags[place + 1 :]
        self.show(self.path, [*rest[:to], tag, *rest[to:]])
        self.cursor = to
        self.post_message(self.Dragged(self.path, tag.tag, place, to))

    def action_choose(self) -> None:
        """Show the images with this tag."""
        if self.tags:
            self.post_message(self.Chosen(self.tags[self.cursor].tag))

    def action_leave(self) -> None:
        """Go back to the list."""
        self.post_message(self.Left())

    # ---- mouse ---------------------------------------------------------------------------

    def _at(self, event: events.MouseEvent) -> int | None:
        """Return the chip under the pointer."""
        place = event.get_content_offset(self)
        if place is None:
            return None
        line = place.y + self._first
        for number, chip in enumerate(self._chips):
            if chip.line == line and chip.left <= place.x < chip.right:
                return number
        return None

    def on_mouse_scroll_down(self) -> None:
        """Show the tags below."""
        self._first += 1
        self._lay_out()

    def on_mouse_scroll_up(self) -> None:
        """Show the tags above."""
        self._first -= 1
        self._lay_out()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Take hold of a tag."""
        self._held = self._at(event)
        if self._held is not None:
            self.cursor = self._held
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Show where the tag that is held would go."""
        if self._held is not None and self.app.mouse_captured is self:
            there = self._at(event)
            target = None if there == self._held else there
            if target != self._target:
                self._target = target
                self.refresh()

    def on_mouse_up(self, event: events.MouseUp) -> None:
        """Let go of a tag, at its new place if there is one."""
        held, there = self._held, self._at(event)
        self._held = self._target = None
        self.release_mouse()
        if held is not None and there is not None:
            self._drop(held, there)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """Show the images with a tag that is clicked twice."""
        if event.chain == 2 and self._at(event) == self.cursor:
            self.action_choose()


def _words(tag: TagOrigin, meaning: str = "") -> str:
    """Return the text of a chip.

    Example:
        >>> _words(TagOrigin("hat", "tagger", 0.93), "帽子"), _words(TagOrigin("bow", "hand"))
        ('hat·帽子 .93', '✎bow')
    """
    score = "" if tag.score is None else f" {tag.score:.2f}".replace(" 0.", " .")
    return f"{_GLYPHS[tag.origin]}{clean(tag.tag)}{f'·{meaning}' if meaning else ''}{score}"


def _origin(tag: TagOrigin) -> str:
    """Return a sentence on where a tag comes from."""
    who = {
        "tagger": _("by the tagger"),
        "hand": _("by hand"),
        "rule": _("rule or trigger"),
        "sentence": _("a sentence"),
    }[tag.origin]
    if tag.score is None:
        return who
    return _("{origin} · score {score:.2f}").format(origin=who, score=tag.score)
