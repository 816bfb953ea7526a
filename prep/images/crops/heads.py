"""Heads in a picture, and crops that cut them off.

What makes a character recognisable is in the head, most of all in its upper half: hair, ears, eyes.
Of the faults of a dataset that were tried in a study with trained LoRAs, crops through heads cost
most: they halved the identity.

A head is *cut* by a part of the picture if more is lost than a detector's box wavers by, and
*left out* if next to nothing of it is seen. To leave one out is an error only where no head is
whole and nothing else of the image shows it: a crop to one of two people is fine, and so is a
crop of the hands beside one of the whole figure. Heads of bystanders, much smaller than the largest
one, do not count.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from prep.images.buckets import Size
from prep.images.crops import Box, Rect

_UPPER = 0.10
"""Share of the upper half that may be lost: a twentieth of the head at its top, a tenth at a side.
Boxes of the public detectors waver by about as much: an overlap of nine tenths with the truth is
usual (mAP50-95 0.79, deepghs/anime_head_detection)."""
_WHOLE = 0.15
"""Share of the head that may be lost, which is the chin or the neck."""
_SLIVER = 0.15
"""Share of a head below which it is left out rather than cut."""
_BYSTANDER = 1 / 3
"""Height of a head, as a share of the tallest one's, below which nobody looks at it."""


@dataclass(frozen=True)
class Head:
    """A head that a detector has found.

    Attributes:
        box: Where it is, as fractions of the upright image.
        score: How sure the detector is, 0 to 1.
    """

    box: Box
    score: float = 1.0

    def lost(self, part: Box) -> float:
        """Return the share of it that lies outside of a part of the image, 0 to 1."""
        return 1 - _covered(self.box, part)

    def harmed(self, part: Box) -> bool:
        """Return whether a part of the image shows too little of it."""
        upper = Box(self.box.x, self.box.y, self.box.width, self.box.height / 2)
        return self.lost(part) > _WHOLE or 1 - _covered(upper, part) > _UPPER


@dataclass(frozen=True)
class CutHead:
    """A head of which a part of an image shows too little.

    Attributes:
        head: The head.
        lost: Share of its area that is cut off, 0 to 1.
    """

    head: Head
    lost: float

    @property
    def left_out(self) -> bool:
        """Return whether next to nothing of it is seen."""
        return self.lost > 1 - _SLIVER


def cut_heads(heads: Sequence[Head], parts: Sequence[Box]) -> list[list[CutHead]]:
    """Return the heads that are cut off, for each part of an image that is trained on.

    Args:
        heads: All heads of the image.
        parts: What a trainer keeps of it, as fractions.

    Example:
        >>> head = Head(Box(0.4, 0.1, 0.2, 0.2))
        >>> [cut] = cut_heads([head], [Box(0, 0.2, 1, 0.8)])[0]
        >>> round(cut.lost, 2)
        0.5
    """
    tallest = max((head.box.height for head in heads), default=0)
    heads = [head for head in heads if head.box.height >= tallest * _BYSTANDER]
    shown = {head for head in heads for part in parts if not head.harmed(part)}
    found = []
    for part in parts:
        harmed = [CutHead(head, head.lost(part)) for head in heads if head.harmed(part)]
        if len(harmed) < len(heads):
            found.append([cut for cut in harmed if not cut.left_out])
        else:
            found.append([cut for cut in harmed if not cut.left_out or cut.head not in shown])
    return found


def is_clear(heads: Sequence[Head], rect: Rect, size: Size) -> bool:
    """Return whether a crop of an image of ``size`` cuts no head off."""
    return not cut_heads(heads, [rect.box(size)])[0]


def moved_clear(heads: Sequence[Head], rect: Rect, room: Rect, size: Size) -> Rect | None:
    """Return a crop, moved to the nearest place where it cuts no head off; ``None`` without one.

    Those places are tried where one of its edges meets one of a head.

    Args:
        heads: All heads of the image.
        rect: The crop.
        room: Where it must stay.
        size: The upright image, pixels.
    """
    if is_clear(heads, rect, size):
        return rect
    around = [head.box.pixels(size) for head in heads]
    width, height = rect.size
    lefts = {rect.left, room.left, room.right - width}
    tops = {rect.top, room.top, room.bottom - height}
    for head in around:
        lefts |= {head.left, head.right - width, head.right, head.left - width}
        tops |= {head.top, head.bottom - height, head.bottom, head.top - height}
    places = [
        (left, top)
        for left, top in product(sorted(lefts), sorted(tops))
        if room.left <= left <= room.right - width and room.top <= top <= room.bottom - height
    ]
    places.sort(key=lambda place: abs(place[0] - rect.left) + abs(place[1] - rect.top))
    moved = (Rect(left, top, left + width, top + height) for left, top in places)
    return next((each for each in moved if is_clear(heads, each, size)), None)


def grown(heads: Sequence[Head], rect: Rect, size: Size) -> Rect:
    """Return a rectangle with the whole of each head that it would cut; all heads if it has none.

    It may take in so much of another head that this one is added, too.
    """
    for _ in heads:  # each turn adds one at least
        boxes = [each.head.box.pixels(size) for each in cut_heads(heads, [rect.box(size)])[0]]
        if not boxes:
            break
        rect = Rect(
            min(rect.left, *(box.left for box in boxes)),
            min(rect.top, *(box.top for box in boxes)),
            max(rect.right, *(box.right for box in boxes)),
            max(rect.bottom, *(box.bottom for box in boxes)),
        )
    return rect


def within(heads: Sequence[Head], room: Rect, size: Size) -> tuple[Head, ...]:
    """Return heads of an image as fractions of a part of it, beyond which they may reach."""
    width, height = room.size

    def moved(box: Box) -> Box:
        x, y = box.x * size[0] - room.left, box.y * size[1] - room.top
        return Box(
            x / width, y / height, box.width * size[0] / width, box.height * size[1] / height
        )

    return tuple(replace(head, box=moved(head.box)) for head in heads)


def upright(box: Box, orientation: int) -> Box:
    """Return where a part of the stored pixels is in the upright image.

    Args:
        box: Fractions of the image as it is stored, which is how some trainers read it.
        orientation: EXIF orientation, 1 to 8.
    """
    across, down, turned = _TURNS.get(orientation, (False, False, False))
    x, y, width, height = box.x, box.y, box.width, box.height
    if turned:
        x, y, width, height = y, x, height, width
    return Box(1 - x - width if across else x, 1 - y - height if down else y, width, height)


_TURNS = {
    2: (True, False, False),
    3: (True, True, False),
    4: (False, True, False),
    5: (False, False, True),
    6: (True, False, True),
    7: (True, True, True),
    8: (False, True, True),
}
"""Orientation -> axes are swapped (last) first, then mirrored across and down."""


def _covered(box: Box, part: Box) -> float:
    """Return the share of a box that lies in a part."""
    shared = 1.0
    for near, far, start, end, length in _axes(box, part):
        shared *= max(0.0, min(far, end) - max(near, start)) / length
    return shared


def _axes(box: Box, part: Box) -> Iterator[tuple[float, float, float, float, float]]:
    yield box.x, box.x + box.width, part.x, part.x + part.width, box.width
    yield box.y, box.y + box.height, part.y, part.y + part.height, box.height
