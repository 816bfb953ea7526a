"""Draw a picture for a terminal: block characters, and over them real pixels where it can.

The blocks are what is seen while something lies over the picture, such as a notice. Runs in a
thread; knows no widget.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from os import getpid
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from textual.strip import Strip

from tui.graphics import kitty, sixel
from tui.graphics.blocks import halfblocks, quadrants
from tui.graphics.view import WHOLE, Box, View, around
from tui.terminal import Terminal

_numbers = count((getpid() % 0x7FFF + 1) << 16)
"""Numbers of pictures, which a terminal shares among its programs."""
_MARK = 6
"""Length of the dashes of a marked box, pixels."""


@dataclass(frozen=True, eq=False)
class Graphic:
    """A picture in real pixels.

    Attributes:
        number: Its number, unique in the terminal.
        columns: Cells across.
        rows: Cells down.
        data: The sequences that draw it (Sixel) or send it (Kitty).
    """

    number: int
    columns: int
    rows: int
    data: str


@dataclass(frozen=True, eq=False)
class Drawn:
    """A picture as it is drawn.

    Attributes:
        strips: The lines of cells, as text.
        graphic: The same as real pixels, if the terminal shows them.
        view: How it is looked at.
        part: The part of the picture that is shown.
        shapes: Width divided by height, of the picture and of the room for it.
    """

    strips: list[Strip]
    graphic: Graphic | None = None
    view: View = View()  # noqa: RUF009  (it is frozen)
    part: Box = WHOLE
    shapes: tuple[float, float] = (1.0, 1.0)


class Over(Protocol):
    """Something that is drawn into a picture; it can be a key of a dictionary."""

    def drawn(self, picture: Image.Image, part: Box) -> Image.Image:
        """Return the picture, which shows a part of the image, with it."""


def fitted_size(
    size: tuple[float, float], columns: int, rows: int, cell: tuple[int, int] = (10, 20)
) -> tuple[int, int]:
    """Return columns and rows of a picture inside a box of cells.

    Args:
        size: Width and height of the picture.
        columns: Of the box.
        rows: Of the box.
        cell: Width and height of a cell.

    Example:
        >>> fitted_size((1000, 500), 40, 40), fitted_size((500, 1000), 40, 10)
        ((40, 10), (10, 10))
    """
    width, height = size[0] / cell[0], size[1] / cell[1]
    scale = min(columns / width, rows / height)
    return (
        max(1, min(columns, round(width * scale))),
        max(1, min(rows, round(height * scale))),
    )


def draw(
    image: Image.Image,
    columns: int,
    rows: int,
    terminal: Terminal,
    view: View | Box | None = None,
    marks: Sequence[Box] = (),
    over: Over | None = None,
) -> Drawn:
    """Draw the part of an RGB picture that is in view inside a box of cells.

    Args:
        image: RGB.
        columns: Cells across, at least 1.
        rows: Cells down, at least 1.
        terminal: What the terminal can show.
        view: The view, or a part to enlarge; the whole picture if there is none.
        marks: Places to draw a dashed line around.
        over: What else to draw into it.

    Returns:
        Lines narrower or fewer than the box if the aspect ratio requires it.
    """
    wide, high = terminal.cell
    if terminal.drawing == "sixel" and all(terminal.most):
        columns = max(1, min(columns, terminal.most[0] // wide))
        rows = max(1, min(rows, terminal.most[1] // high))
    room = columns * wide / (rows * high)
    shape = image.width / image.height
    seen = around(view, shape, room) if isinstance(view, Box) else view or View()
    part = seen.part(shape, room)
    left, right = part.left * image.width, part.right * image.width
    top, bottom = part.top * image.height, part.bottom * image.height
    columns, rows = fitted_size((right - left, bottom - top), columns, rows, terminal.cell)

    def scaled(width: int, height: int) -> Image.Image:
        small = image.resize(
            (width, height),
            Image.Resampling.BICUBIC,
            box=(left, top, right, bottom),
            reducing_gap=2.0,
        ).convert("RGB")
        marked = _marked(small, part, marks)
        return marked if over is None else over.drawn(marked, part)

    graphic = None
    if terminal.pixels:
        picture, number = scaled(columns * wide, rows * high), next(_numbers)
        data = (
            sixel.encode(picture, terminal.colours)
            if terminal.drawing == "sixel"
            else kitty.transmit(number, picture)
        )
        graphic = Graphic(number, columns, rows, data)
    half = terminal.drawing == "half"
    pixels: NDArray[np.uint8] = np.asarray(scaled(columns * (1 if half else 2), rows * 2))
    return Drawn((halfblocks if half else quadrants)(pixels), graphic, seen, part, (shape, room))


def _marked(picture: Image.Image, part: Box, marks: Sequence[Box]) -> Image.Image:
    """Draw boxes in black and white dashes, which are seen on every ground."""
    if not marks:
        return picture
    made = picture.copy()
    pen = ImageDraw.Draw(made)
    across, down = part.right - part.left, part.bottom - part.top
    thick = 2 if min(made.size) > 300 else 1
    for box in marks:
        left = round((box.left - part.left) / across * (made.width - 1))
        right = round((box.right - part.left) / across * (made.width - 1))
        top = round((box.top - part.top) / down * (made.height - 1))
        bottom = round((box.bottom - part.top) / down * (made.height - 1))
        pen.rectangle((left, top, right, bottom), outline="white", width=thick)
        for start in range(left, right, 2 * _MARK):
            for y in (top, bottom - thick + 1):
                end = min(start + _MARK - 1, right)
                pen.rectangle((start, y, end, y + thick - 1), fill="black")
        for start in range(top, bottom, 2 * _MARK):
            for x in (left, right - thick + 1):
                end = min(start + _MARK - 1, bottom)
                pen.rectangle((x, start, x + thick - 1, end), fill="black")
    return made
