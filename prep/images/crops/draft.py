"""The crops of one image while somebody edits them, before they are saved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prep.images.buckets import Buckets, Size
from prep.images.crops import WHOLE, Box, Rect, kept
from prep.images.crops.framing import Frame
from prep.images.crops.heads import CutHead, Head, cut_heads
from prep.images.crops.snapping import centre, is_legal, placed, snapped

_PART = 2 / 3
"""Sides of a new crop, as a share of those of the one beside it."""


@dataclass(frozen=True)
class CropDraft:
    """The crops of an image, one of which is looked at.

    Attributes:
        size: The upright image, pixels.
        buckets: Where crops must fit.
        stored: The crops as they are saved; none for the whole image.
        frames: The crops as they are now; one of the whole image if there are none.
        place: Place of the one that is looked at.

    Example:
        >>> draft = opened((512, 512), Buckets((256, 256)), ())
        >>> draft.boxes, draft.with_frame(draft.frame.grown(-256, -256)).boxes
        ((), (Box(x=0.0, y=0.0, width=0.5, height=0.5),))
    """

    size: Size
    buckets: Buckets
    stored: tuple[Box, ...]
    frames: tuple[Frame, ...]
    place: int = 0

    @property
    def frame(self) -> Frame:
        """The crop that is looked at."""
        return self.frames[self.place]

    @property
    def kept(self) -> Rect:
        """What the trainer keeps of it: all of it where it is legal."""
        return kept(self.frame.rect, self.buckets.fit(self.frame.rect.size))

    def cuts(self, heads: Sequence[Head]) -> list[list[CutHead]]:
        """Return which heads each crop cuts off, together with its bucket."""
        parts = (kept(f.rect, self.buckets.fit(f.rect.size)) for f in self.frames)
        return cut_heads(heads, [part.box(self.size) for part in parts])

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The crops to save; those that were not touched as they were saved before."""
        known = {box.pixels(self.size): box for box in self.stored}
        found = (known.get(frame.rect) or frame.rect.box(self.size) for frame in self.frames)
        distinct = tuple(dict.fromkeys(found))
        return () if distinct == (WHOLE,) else distinct

    @property
    def changed(self) -> bool:
        """Return whether there is something to save."""
        return self.boxes != self.stored

    def with_frame(self, frame: Frame) -> "CropDraft":
        """Return it with another frame in the place of the one that is looked at."""
        frames = (*self.frames[: self.place], frame, *self.frames[self.place + 1 :])
        return replace(self, frames=frames)

    def with_box(self, box: Box) -> "CropDraft":
        """Return it with a part of the image in the place of the one that is looked at."""
        return self.with_frame(_frame(box.pixels(self.size), self.size, self.buckets))

    def at_bucket(self, bucket: Size | None) -> "CropDraft":
        """Look at the first crop that is in a bucket, if there is one."""
        buckets = [self.buckets.fit(frame.rect.size).bucket for frame in self.frames]
        return replace(self, place=buckets.index(bucket)) if bucket in buckets else self

    def turned(self, step: int) -> "CropDraft":
        """Look at the next crop, or at the one before."""
        return replace(self, place=(self.place + step) % len(self.frames))

    def added(self) -> "CropDraft":
        """Add a smaller crop around the middle of the one that is looked at, and look at it.

        Where there were no crops, the whole image stays one of them.
        """
        rect = self.frame.rect
        size = max(1, round(rect.size[0] * _PART)), max(1, round(rect.size[1] * _PART))
        small = placed(size, centre(rect), self.frame.whole)
        frame = replace(self.frame, rect=small)
        if frame.shape is None and is_legal(self.buckets, rect.size):
            frame = replace(frame, shape=self.buckets.fit(rect.size).bucket)
        frame = frame.shaped(frame.shape or self.buckets.fit(small.size).bucket)
        return replace(self, frames=(*self.frames, frame), place=len(self.frames))

    def removed(self) -> "CropDraft":
        """Remove the crop that is looked at; after the last one, all of the image is used."""
        left = (*self.frames[: self.place], *self.frames[self.place + 1 :])
        left = left or (_frame(Rect(0, 0, *self.size), self.size, self.buckets),)
        return replace(self, frames=left, place=min(self.place, len(left) - 1))

    def begun(self) -> "CropDraft":
        """Return it with something to move: instead of the whole image, what the trainer keeps."""
        frame = self.frame
        if frame.rect != frame.whole or frame.shape is not None or len(self.frames) > 1:
            return self
        rect = snapped(self.buckets, frame.rect, self.size)
        return self.with_frame(_frame(rect, self.size, self.buckets))


def opened(size: Size, buckets: Buckets, stored: Sequence[Box]) -> CropDraft:
    """Return the crops of an image as they are saved."""
    frames = tuple(_frame(box.pixels(size), size, buckets) for box in stored or (WHOLE,))
    return CropDraft(size, buckets, tuple(stored), frames)


def _frame(rect: Rect, size: Size, buckets: Buckets) -> Frame:
    shape = buckets.fit(rect.size).bucket if is_legal(buckets, rect.size) else None
    return Frame(rect, size, buckets, shape)
