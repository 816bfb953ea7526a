"""Draw a picture for a terminal: block characters, and over them real pixels where it can.

The blocks are what is seen while something lies over the picture, such as a notice. Runs in a
thread; knows no widget. Needs numpy, which takes as long to load as a first frame to draw: those
who draw import this late.
"""

from collections.abc import Sequence
from itertools import count
from os import getpid

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tui.graphics import kitty, sixel
from tui.graphics.blocks import halfblocks, quadrants
from tui.graphics.drawn import Drawn, Graphic, Over
from tui.graphics.view import Box, View, around
from tui.terminal import Terminal

_numbers = count((getpid() % 0x7FFF + 1) << 16)
"""Numbers of pictures, which a terminal shares among its programs."""


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
    over: Sequence[Over] = (),
) -> Drawn:
    """Draw the part of an RGB picture that is in view inside a box of cells.

    Args:
        image: RGB.
        columns: Cells across, at least 1.
        rows: Cells down, at least 1.
        terminal: What the terminal can show.
        view: The view, or a part to enlarge; the whole picture if there is none.
        over: What to draw into it, in this order.

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
        for one in over:
            small = one.drawn(small, part)
        return small

    graphic = None
    if terminal.pixels:
        picture, number = scaled(columns * wide, rows * high), next(_numbers)
        if terminal.drawing == "sixel":
            data = sixel.encode(picture, terminal.colours)
            graphic = Graphic(number, columns, rows, data, terminal.cell, picture)
        else:
            data = kitty.transmit(number, picture)
            graphic = Graphic(number, columns, rows, data, terminal.cell)
    half = terminal.drawing == "half"
    pixels: NDArray[np.uint8] = np.asarray(scaled(columns * (1 if half else 2), rows * 2))
    return Drawn((halfblocks if half else quadrants)(pixels), graphic, seen, part, (shape, room))
