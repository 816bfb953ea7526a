"""A crop that is being drawn: moved, resized and given the shape of a bucket, step by step.

With a shape, a frame has only legal sizes, so that the trainer cuts nothing more off; without one
it is what the user draws. It never leaves the image.
"""

from dataclasses import dataclass, replace

from prep.images.buckets import Buckets, Size
from prep.images.crops import Rect
from prep.images.crops.snapping import centre, is_legal, largest, placed

SMALLEST = 16
"""Shortest side of a frame, pixels, where the image has as many."""


def shapes(buckets: Buckets) -> tuple[Size, ...]:
    """Return the buckets by aspect ratio, the tallest first.

    Example:
        >>> shapes(Buckets((256, 256), minimum=192))
        ((192, 320), (256, 256), (320, 192))
    """
    return tuple(sorted(buckets.sizes, key=lambda size: (size[0] / size[1], size)))


@dataclass(frozen=True)
class Frame:
    """A crop of an image.

    Attributes:
        rect: The part of the image.
        size: The upright image, pixels.
        buckets: Where crops must fit.
        shape: The bucket whose proportions are kept; ``None`` for any.

    Example:
        >>> frame = Frame(Rect(0, 0, 256, 256), (512, 512), Buckets((256, 256)), (256, 256))
        >>> frame.moved(10, -10).rect, frame.grown(16, 0).rect.size
        (Rect(left=10, top=0, right=266, bottom=256), (272, 272))
    """

    rect: Rect
    size: Size
    buckets: Buckets
    shape: Size | None = None

    @property
    def whole(self) -> Rect:
        """All of the image."""
        return Rect(0, 0, *self.size)

    def moved(self, across: int, down: int) -> "Frame":
        """Move it by pixels, as far as the image goes."""
        left = min(max(self.rect.left + across, 0), self.size[0] - self.rect.size[0])
        top = min(max(self.rect.top + down, 0), self.size[1] - self.rect.size[1])
        width, height = self.rect.size
        return replace(self, rect=Rect(left, top, left + width, top + height))

    def grown(self, across: int, down: int) -> "Frame":
        """Make it wider and taller by pixels, or smaller with negative ones.

        Its upper left corner stays unless there is no more room. With a shape one side follows the
        other, and the size is the next legal one, which may be further away than asked.
        """
        width, height = self.rect.size
        if self.shape is None:
            size = self._within(width + across, height + down)
        else:
            ratio = self.shape[0] / self.shape[1]
            size = self._legal(width + (across if across else round(down * ratio)))
        left = min(self.rect.left, self.size[0] - size[0])
        top = min(self.rect.top, self.size[1] - size[1])
        return replace(self, rect=Rect(left, top, left + size[0], top + size[1]))

    def shaped(self, shape: Size | None) -> "Frame":
        """Give it the proportions of a bucket, about as large as it is, around its middle."""
        if shape is None:
            return replace(self, shape=None)
        width, height = self.rect.size
        across = round((width * height * shape[0] / shape[1]) ** 0.5)
        size = largest(self.buckets, shape, self._room(across, shape))
        rect = placed(size, centre(self.rect), self.whole)
        return replace(self, rect=rect, shape=shape)

    def spanned(self, fixed: tuple[int, int], free: tuple[int, int]) -> "Frame":
        """Return the frame between a corner that stays and one that is dragged, image pixels."""
        fixed = _clamped(fixed, self.size)
        free = _clamped(free, self.size)
        width, height = abs(free[0] - fixed[0]), abs(free[1] - fixed[1])
        rightwards, downwards = free[0] >= fixed[0], free[1] >= fixed[1]
        room = (
            self.size[0] - fixed[0] if rightwards else fixed[0],
            self.size[1] - fixed[1] if downwards else fixed[1],
        )
        if self.shape is None:
            size = (
                max(1, min(max(width, SMALLEST), room[0])),
                max(1, min(max(height, SMALLEST), room[1])),
            )
        else:
            ratio = self.shape[0] / self.shape[1]
            across = max(width, round(height * ratio), SMALLEST)
            within = self._room(across, self.shape, room)
            size = largest(self.buckets, self.shape, within)
        left = fixed[0] if rightwards else fixed[0] - size[0]
        top = fixed[1] if downwards else fixed[1] - size[1]
        left, top = (
            max(0, min(left, self.size[0] - size[0])),
            max(0, min(top, self.size[1] - size[1])),
        )
        return replace(self, rect=Rect(left, top, left + size[0], top + size[1]))

    def _within(self, width: int, height: int) -> Size:
        most_x, most_y = self.size
        return (
            min(max(width, min(SMALLEST, most_x)), most_x),
            min(max(height, min(SMALLEST, most_y)), most_y),
        )

    def _room(self, across: int, shape: Size, most: Size | None = None) -> Size:
        """Return room for a width and the height that belongs to it, within the image."""
        width, height = most or self.size
        wanted = max(across, min(SMALLEST, width))
        high = -(-wanted * shape[1] // shape[0])
        return max(1, min(wanted, width)), max(1, min(high, height))

    def _legal(self, across: int) -> Size:
        """Return a legal size about that wide: beyond the present one, in the direction asked."""
        assert self.shape is not None
        before = self.rect.size
        size = largest(self.buckets, self.shape, self._room(across, self.shape))
        if across <= before[0] or size[0] > before[0]:
            return size if size[0] < before[0] or across > before[0] else before
        # The next legal size is further away: enlarged pictures have few.
        limit = min(self.size[0], self.size[1] * self.shape[0] // self.shape[1] + 1)
        for wanted in range(across + 1, limit + 1):
            size = largest(self.buckets, self.shape, self._room(wanted, self.shape))
            if size[0] > before[0] and is_legal(self.buckets, size):
                return size
        return before


def _clamped(point: tuple[int, int], size: Size) -> tuple[int, int]:
    return min(max(point[0], 0), size[0]), min(max(point[1], 0), size[1])
