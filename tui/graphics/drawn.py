"""What drawing a picture makes: lines of text, and the same as real pixels."""

from dataclasses import dataclass
from typing import Protocol

from PIL import Image
from textual.strip import Strip

from tui.graphics.view import WHOLE, Box, View


class Over(Protocol):
    """Something that is drawn into a picture; it can be a key of a dictionary."""

    def drawn(self, picture: Image.Image, part: Box) -> Image.Image:
        """Return the picture, which shows a part of the image, with it."""


@dataclass(frozen=True, eq=False)
class Graphic:
    """A picture in real pixels.

    Attributes:
        number: Its number, unique in the terminal.
        columns: Cells across.
        rows: Cells down.
        data: The sequences that draw it (Sixel) or send it (Kitty).
        cell: Width and height of a cell, pixels.
        pixels: The picture itself, RGB, if a part of it has to be encoded anew (Sixel).
    """

    number: int
    columns: int
    rows: int
    data: str
    cell: tuple[int, int] = (1, 1)
    pixels: Image.Image | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.columns * self.cell[0], self.rows * self.cell[1]


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
