"""Crops drawn into a picture: what is cut off darkened, frames in black and white, numbers.

Nothing is told by colour: the frame that is edited is a solid line with handles, other crops are
thin solid lines, what the trainer keeps of it is dotted, and proposals are dashed. Heads are
ovals, and those that are cut off are crossed out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from prep.images.buckets import Size
from prep.images.crops import Rect
from prep.images.crops.draft import CropDraft
from prep.images.crops.heads import Head
from tui.graphics.frames import DASH, DOT, Corners, corners, outline, thickness
from tui.graphics.view import Box

_DIMMED = 0.35
"""Brightness of what is cut off."""


@dataclass(frozen=True)
class CropMarks:
    """What is drawn over a picture; boxes are shares of the picture.

    Attributes:
        boxes: The crops of the image.
        current: Place of the one that is looked at.
        kept: What the trainer keeps of it.
        proposals: Boxes that are proposed.
        editing: The current one is being edited.
        heads: Heads, and whether each is cut off.
    """

    boxes: tuple[Box, ...]
    current: int = 0
    kept: Box | None = None
    proposals: tuple[Box, ...] = ()
    editing: bool = False
    heads: tuple[tuple[Box, bool], ...] = ()

    def drawn(self, picture: Image.Image, part: Box) -> Image.Image:
        """Return the picture with the crops in it.

        Args:
            picture: The part of the image that is shown, RGB.
            part: Which part that is.
        """
        if not self.boxes:
            return picture
        size = picture.size
        kept = corners(self.kept or self.boxes[self.current], part, size)
        made = _dimmed(picture, kept)
        pen, thick = ImageDraw.Draw(made), thickness(made)
        for box, cut in self.heads:
            _head(pen, corners(box, part, size), thick, cut=cut)
        for box in self.proposals:
            outline(pen, corners(box, part, size), thick, DASH)
        for place, box in enumerate(self.boxes):
            edges = corners(box, part, size)
            if place != self.current and thick > 1:
                pen.rectangle(edges, outline="white")
            elif place != self.current:  # a thin line is as thick as that of the current one
                outline(pen, edges, 1, DOT)
            if thick > 1 and len(self.boxes) > 1:
                _number(pen, edges, place + 1)
        frame = corners(self.boxes[self.current], part, size)
        if self.kept is not None and kept != frame:
            outline(pen, kept, 1, DOT)
        pen.rectangle(frame, outline="white", width=thick)
        if thick > 1:
            inner = tuple(a + b for a, b in zip(frame, (2, 2, -2, -2), strict=True))
            if inner[2] > inner[0] and inner[3] > inner[1]:
                pen.rectangle(inner, outline="black")
            if self.editing:
                for x, y in _handles(frame):
                    pen.rectangle((x - 4, y - 4, x + 4, y + 4), "white", "black")
        return made


def crop_marks(draft: CropDraft, heads: Sequence[Head]) -> CropMarks:
    """Return how the crops of an image are drawn, and its heads."""
    cut = {each.head for found in draft.cuts(heads) for each in found}
    return CropMarks(
        tuple(shares(frame.rect, draft.size) for frame in draft.frames),
        draft.place,
        shares(draft.kept, draft.size),
        heads=tuple(
            (shares(head.box.pixels(draft.size), draft.size), head in cut) for head in heads
        ),
    )


def shares(rect: Rect, size: Size) -> Box:
    """Return a part of an image of ``size`` in shares of it."""
    width, height = size
    return Box(rect.left / width, rect.top / height, rect.right / width, rect.bottom / height)


def _dimmed(picture: Image.Image, kept: Corners) -> Image.Image:
    """Return the picture, darkened outside of a box."""
    made = picture.point([int(level * _DIMMED) for level in range(256)] * 3)
    left, top = max(0, kept[0]), max(0, kept[1])
    right, bottom = min(picture.width, kept[2] + 1), min(picture.height, kept[3] + 1)
    if left < right and top < bottom:
        made.paste(picture.crop((left, top, right, bottom)), (left, top))
    return made


def _head(pen: ImageDraw.ImageDraw, frame: Corners, thick: int, *, cut: bool) -> None:
    """Draw a head as an oval, white on black; crossed out if it is cut off."""
    left, top, right, bottom = frame
    for colour, width in (("black", 3 * thick), ("white", thick)):
        edge = (width - thick) // 2
        oval = (left - edge, top - edge, right + edge, bottom + edge)
        pen.ellipse(oval, outline=colour, width=width)
        if cut:
            pen.line((left, top, right, bottom), colour, width)
            pen.line((left, bottom, right, top), colour, width)


def _handles(frame: Corners) -> Iterator[tuple[int, int]]:
    left, top, right, bottom = frame
    for x in (left, (left + right) // 2, right):
        for y in (top, (top + bottom) // 2, bottom):
            if (x, y) != ((left + right) // 2, (top + bottom) // 2):
                yield x, y


def _number(pen: ImageDraw.ImageDraw, frame: Corners, number: int) -> None:
    """Write the number of a crop into its corner."""
    left, top = max(0, frame[0]) + 3, max(0, frame[1]) + 3
    font = ImageFont.load_default(16)
    box = pen.textbbox((left + 3, top), str(number), font)
    pen.rectangle((left, top, box[2] + 3, box[3] + 3), "white", "black")
    pen.text((left + 3, top), str(number), "black", font)
