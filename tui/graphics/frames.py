"""Boxes drawn into a picture, in black and white: they are seen on every ground."""

from dataclasses import dataclass

from PIL import Image, ImageDraw

from tui.graphics.view import Box

LARGE = 300
"""Pixels of the shorter side from which lines are doubled and numbers are legible."""
DASH, DOT = 6, 2
"""Lengths of dashes and dots, pixels."""

Corners = tuple[int, int, int, int]


@dataclass(frozen=True)
class Marks:
    """Dashed lines around places.

    Attributes:
        boxes: The places, shares of the whole picture.
    """

    boxes: tuple[Box, ...]

    def drawn(self, picture: Image.Image, part: Box) -> Image.Image:
        """Return the picture with the lines in it.

        Args:
            picture: The part of the image that is shown, RGB.
            part: Which part that is.
        """
        made = picture.copy()
        pen, thick = ImageDraw.Draw(made), thickness(made)
        for box in self.boxes:
            outline(pen, corners(box, part, made.size), thick, DASH)
        return made


def thickness(picture: Image.Image) -> int:
    """Return the thickness of lines in a picture, pixels."""
    return 2 if min(picture.size) > LARGE else 1


def corners(box: Box, part: Box, size: tuple[int, int]) -> Corners:
    """Return the pixels of a box in the picture of a part, of this width and height."""
    across, down = part.right - part.left, part.bottom - part.top

    def at(share: float, first: float, extent: float, length: int) -> int:
        return round((share - first) / extent * (length - 1))

    return (
        at(box.left, part.left, across, size[0]),
        at(box.top, part.top, down, size[1]),
        at(box.right, part.left, across, size[0]),
        at(box.bottom, part.top, down, size[1]),
    )


def outline(pen: ImageDraw.ImageDraw, box: Corners, thick: int, dash: int) -> None:
    """Draw a box in black and white dashes of this length, pixels."""
    left, top, right, bottom = box
    pen.rectangle(box, outline="white", width=thick)
    for start in range(left, right, 2 * dash):
        for y in (top, bottom - thick + 1):
            end = min(start + dash - 1, right)
            pen.rectangle((start, y, end, y + thick - 1), fill="black")
    for start in range(top, bottom, 2 * dash):
        for x in (left, right - thick + 1):
            end = min(start + dash - 1, bottom)
            pen.rectangle((x, start, x + thick - 1, end), fill="black")
