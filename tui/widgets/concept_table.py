"""The table of concepts: one a line, with cells that can be typed into."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.reactive import reactive
from textual.strip import Strip

from prep.language import _
from tui.widgets.line_list import LineList, Piece, cell

FieldName = Literal["trigger", "repeats", "prune"]
FIELDS: tuple[FieldName, ...] = ("trigger", "repeats", "prune")
_TRIGGER, _REPEATS, _NUMBER, _NAME = 16, 8, 7, 26
_NARROW = 90
"""Cells below which some columns are left out."""


@dataclass(frozen=True)
class ConceptLine:
    """A concept as it is shown.

    Attributes:
        folder: Its folder.
        texts: What can be typed, as it is now.
        images: Training images.
        held_out: How many of them are held out.
        exposures: Images shown per epoch.
        times: How often an image is shown in the run.
        even: Repeats that would balance it with the others; 0 if there is nothing to balance.
        regularization: It has no trigger word, and is matched to the others.
    """

    folder: str
    texts: dict[FieldName, str]
    images: int = 0
    held_out: int = 0
    exposures: int = 0
    times: float = 0.0
    even: int = 0
    regularization: bool = False


class ConceptTable(LineList):
    """Concepts; a cell is chosen by line and column.

    Attributes:
        column: Place of the cell in ``FIELDS``.
        lines: The concepts.
    """

    column: reactive[int] = reactive(0)

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.lines: Sequence[ConceptLine] = ()
        self.loaded = False

    @property
    def count(self) -> int:
        """The number of concepts."""
        return len(self.lines)

    @property
    def line(self) -> ConceptLine | None:
        """The concept under the cursor."""
        return self.lines[self.cursor] if self.cursor < len(self.lines) else None

    @property
    def field(self) -> FieldName:
        """The field of the chosen cell."""
        return FIELDS[self.column]

    def show(self, lines: Sequence[ConceptLine], *, complete: bool) -> None:
        """Show these concepts; the cursor stays where it is."""
        self.lines, self.loaded = lines, complete or bool(lines)
        self.count_changed(self.cursor)

    # ---- columns -------------------------------------------------------------------------

    def _widths(self, width: int) -> dict[str, int]:
        """Return the widths of the columns that fit, in their order."""
        found = {"folder": _NAME, "trigger": _TRIGGER, "repeats": _REPEATS, "images": _NUMBER}
        if width < _NARROW:
            found |= {"folder": 16, "trigger": 12}
        found |= {"exposures": _NUMBER + 2, "times": _NUMBER + 2}
        found["prune"] = max(6, width - 2 - sum(found.values()) - len(found))
        return found

    def span(self, column: int, width: int) -> tuple[int, int]:
        """Return where a cell begins, and its width."""
        start = 2
        for name, length in self._widths(width).items():
            if name == FIELDS[column]:
                return start, length
            start += length + 1
        return 0, 1

    def cell_place(self) -> tuple[int, int, int]:
        """Return column, line and width of the chosen cell, in cells of this widget."""
        x, length = self.span(self.column, self.scrollable_size.width)
        return x, self._top + self.cursor - self.scroll_offset.y, length

    # ---- drawing -------------------------------------------------------------------------

    def header(self, width: int) -> str:
        """Return the names of the columns."""
        names = {
            "folder": _("folder"),
            "trigger": _("trigger word"),
            "repeats": _("repeats"),
            "images": _("images"),
            "exposures": _("an epoch"),
            "times": _("per image"),
            "prune": _("pruned tags"),
        }
        right = {"images", "exposures", "times"}
        parts = [
            cell(names[name], length, right=name in right)
            for name, length in self._widths(width).items()
        ]
        return "  " + " ".join(parts)

    def render_line(self, y: int) -> Strip:
        """Draw one line; say why there is none."""
        if y == self._top and not self.lines:
            text = _("no usable images") if self.loaded else _("loading…")
            style = self.rich_style + self._look("dim")
            return Strip([Segment(cell(text, self.size.width), style)], self.size.width)
        return super().render_line(y)

    def draw(self, index: int, width: int) -> list[Piece]:
        """Return one concept."""
        line, widths = self.lines[index], self._widths(width)
        chosen = self.field if index == self.cursor and self.has_focus else ""
        good = bool(line.texts["trigger"]) or line.regularization
        pieces: list[Piece] = [("✓ ", "good") if good else ("! ", "warn")]
        images = str(line.images) if not line.held_out else f"{line.images}-{line.held_out}"
        texts = {
            "folder": line.folder,
            "images": images,
            "exposures": str(line.exposures),
            "times": f"{line.times:.4g}x",
        }
        for name, length in widths.items():
            pieces.append((" " if name != "folder" else "", ""))
            if name in FIELDS:
                look = "key" if name != "trigger" or good else "warn"
                pieces.append((_typed(self._text(line, name), length, name == chosen), look))
            else:
                pieces.append((cell(texts[name], length, right=name != "folder"), ""))
        return pieces

    def _text(self, line: ConceptLine, name: str) -> str:
        if name == "trigger":
            none = _("(regularisation)") if line.regularization else _("(none)")
            return line.texts["trigger"] or none
        if name == "repeats":
            text = line.texts["repeats"]
            return f"{text} →{line.even}" if line.even else text
        return line.texts["prune"] or "–"

    # ---- moving --------------------------------------------------------------------------

    def watch_column(self) -> None:
        """Show where the cell is, and let it be explained."""
        self.refresh()
        self.post_message(self.Moved(self, self.cursor))

    def action_next_panel(self) -> None:
        """Go to the next cell, and from the last one to the next panel."""
        if self.column + 1 < len(FIELDS) and self.count:
            self.column += 1
        else:
            super().action_next_panel()

    def action_previous_panel(self) -> None:
        """Go to the cell before, and from the first one to the panel before."""
        if self.column and self.count:
            self.column -= 1
        else:
            super().action_previous_panel()

    def clicked(self, event: events.Click) -> None:
        """Choose the cell that was clicked."""
        for column in range(len(FIELDS)):
            x, length = self.span(column, self.scrollable_size.width)
            if x <= event.x < x + length:
                self.column = column

    def on_focus(self) -> None:
        """Show the chosen cell."""
        self.refresh()

    def on_blur(self) -> None:
        """Show no chosen cell."""
        self.refresh()


def _typed(text: str, width: int, chosen: bool) -> str:
    """Return the text of a cell; the chosen one is in brackets, which need no colour."""
    if not chosen:
        return cell(text, width)
    inside = cell(text, width - 2).rstrip()
    return inside and f"‹{inside}›" + " " * (width - 2 - cell_len(inside))
