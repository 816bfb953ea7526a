"""Which part of a picture is shown: arithmetic of zooming and panning."""

from dataclasses import dataclass, replace
from typing import NamedTuple

MOST_ZOOM = 32.0
STEP = 1.25
"""Factor of one step of zooming."""


class Box(NamedTuple):
    """A part of a picture, in shares of its width and height, 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float


WHOLE = Box(0.0, 0.0, 1.0, 1.0)


@dataclass(frozen=True)
class View:
    """A view of a picture.

    Attributes:
        zoom: 1 shows the whole picture, 2 shows everything twice as large.
        x: Middle of what is shown, as a share of the width.
        y: The same of the height.
    """

    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5

    def part(self, shape: float, room: float) -> Box:
        """Return the part that is shown.

        Args:
            shape: Width of the picture divided by its height.
            room: Width of the room for it divided by its height, as large on the screen.

        Example:
            >>> View(2.0).part(1.0, 1.0)
            Box(left=0.25, top=0.25, right=0.75, bottom=0.75)
        """
        # The picture fits at zoom 1; a larger one also takes the room beside it.
        width = min(1.0, max(1.0, room / shape) / self.zoom)
        height = min(1.0, max(1.0, shape / room) / self.zoom)
        left = min(max(self.x - width / 2, 0.0), 1.0 - width)
        top = min(max(self.y - height / 2, 0.0), 1.0 - height)
        return Box(left, top, left + width, top + height)

    def zoomed(self, factor: float, seen: Box, at: tuple[float, float] = (0.5, 0.5)) -> "View":
        """Return the view after zooming; the place ``at``, in shares of ``seen``, stays put."""
        zoom = min(MOST_ZOOM, max(1.0, self.zoom * factor))
        ratio = self.zoom / zoom
        x = seen.left + at[0] * (seen.right - seen.left)
        y = seen.top + at[1] * (seen.bottom - seen.top)
        middle = (seen.left + seen.right) / 2, (seen.top + seen.bottom) / 2
        return View(zoom, x + (middle[0] - x) * ratio, y + (middle[1] - y) * ratio)

    def moved(self, across: float, down: float, seen: Box) -> "View":
        """Return the view after moving by shares of what is seen; it stays on the picture."""
        width, height = seen.right - seen.left, seen.bottom - seen.top
        x = (seen.left + seen.right) / 2 + across * width
        y = (seen.top + seen.bottom) / 2 + down * height
        x = min(max(x, width / 2), 1 - width / 2)
        return replace(self, x=x, y=min(max(y, height / 2), 1 - height / 2))


def around(box: Box, shape: float, room: float, margin: float = 1.3) -> View:
    """Return the view that shows a part of a picture as large as it fits, with a margin.

    Example:
        >>> around(Box(0.4, 0.4, 0.6, 0.6), 1.0, 1.0, margin=1.0)
        View(zoom=5.0, x=0.5, y=0.5)
    """
    wide, high = max(1.0, room / shape), max(1.0, shape / room)
    across, down = max(box.right - box.left, 0.02), max(box.bottom - box.top, 0.02)
    zoom = min(wide / across, high / down) / margin
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return View(min(MOST_ZOOM, max(1.0, round(zoom, 6))), round(middle[0], 6), round(middle[1], 6))
