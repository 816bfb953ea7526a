"""Aspect-ratio buckets, with exactly the arithmetic of kohya sd-scripts.

Used by preview, export and trainer alike, so that the preview shows what is trained on.
Source: sd-scripts ``library/model_util.py:make_bucket_resolutions`` and
``library/train_util.py:BucketManager`` (read in revision 48d368f).
"""

import math
from dataclasses import dataclass
from functools import cached_property

Size = tuple[int, int]

NOTICEABLE = 1.1
"""Factor of enlargement below which nothing is said: it costs no visible detail."""


def enlargement(scale: float) -> str | None:
    """Return how often an image is enlarged, in words; ``None`` if it is not worth telling.

    Args:
        scale: Resized width over source width.

    Example:
        >>> enlargement(2.0), enlargement(1.04)
        ('2.0 times', None)
    """
    return f"{scale:.1f} times" if scale >= NOTICEABLE else None


@dataclass(frozen=True, slots=True)
class Fit:
    """How one image is fitted into its bucket; sizes are (width, height) in pixels.

    Attributes:
        bucket: Size that is trained on.
        resized: The size after scaling and before the crop; it covers the bucket.
        left: Columns cut off on the left of the resized image.
        top: Rows cut off at its top.
        scale: Resized width over source width; above 1 the image is enlarged.
    """

    bucket: Size
    resized: Size
    left: int
    top: int
    scale: float

    @property
    def upscaled(self) -> bool:
        """Return whether the image is enlarged, however little."""
        return self.scale > 1.0

    @property
    def cut(self) -> float:
        """Share of the resized image that is cut off, 0 to 1."""
        kept = self.bucket[0] * self.bucket[1]
        return 1.0 - kept / (self.resized[0] * self.resized[1])


@dataclass(frozen=True)
class Buckets:
    """The buckets of one training resolution.

    Attributes:
        resolution: (width, height) whose area no bucket exceeds.
        step: Every side is a multiple of it (64; for SDXL also 32).
        minimum: Shortest side of a bucket.
        maximum: Longest side of a bucket.
        no_upscale: Images smaller than the area keep their size, floored to ``step``;
            ``minimum`` and ``maximum`` are then ignored, as in sd-scripts.

    Example:
        >>> Buckets((512, 512)).fit((1000, 500)).bucket
        (704, 320)
    """

    resolution: Size
    step: int = 64
    minimum: int = 256
    maximum: int = 1024
    no_upscale: bool = False

    @cached_property
    def sizes(self) -> tuple[Size, ...]:
        """All buckets, sorted by width and height."""
        area = self.resolution[0] * self.resolution[1]
        side = int(math.sqrt(area) // self.step) * self.step
        found = {(side, side)}
        for width in range(self.minimum, self.maximum + 1, self.step):
            height = min(self.maximum, area // width // self.step * self.step)
            if height >= self.minimum:
                found |= {(width, height), (height, width)}
        return tuple(sorted(found))

    def fit(self, size: Size) -> Fit:
        """Place an image of ``size`` (width, height; both at least 1)."""
        bucket, resized = self._small_fit(size) if self.no_upscale else self._cover_fit(size)
        trim_x, trim_y = resized[0] - bucket[0], resized[1] - bucket[1]
        return Fit(bucket, resized, trim_x // 2, trim_y // 2, resized[0] / size[0])

    def _cover_fit(self, size: Size) -> tuple[Size, Size]:
        """Nearest aspect ratio; scaled until the bucket is covered."""
        width, height = size
        aspect = width / height
        if size in self.sizes:
            bucket = size
        else:
            # min() takes the first on a tie, like numpy's argmin in sd-scripts.
            bucket = min(self.sizes, key=lambda b: abs(b[0] / b[1] - aspect))
        scale = bucket[1] / height if aspect > bucket[0] / bucket[1] else bucket[0] / width
        return bucket, (int(width * scale + 0.5), int(height * scale + 0.5))

    def _small_fit(self, size: Size) -> tuple[Size, Size]:
        """Only shrink, and only what exceeds the area; the bucket is floored to the step."""
        width, height = size
        aspect = width / height
        area = self.resolution[0] * self.resolution[1]
        if width * height <= area:
            resized = size
        else:
            resized = self._shrink(math.sqrt(area * aspect), math.sqrt(area / aspect), aspect)
        if min(resized) < self.step:
            return self._thin_fit(size)
        return (resized[0] - resized[0] % self.step, resized[1] - resized[1] % self.step), resized

    def _thin_fit(self, size: Size) -> tuple[Size, Size]:
        """Enlarge an image thinner than one step, for which sd-scripts has no bucket at all."""
        scale = self.step / min(size)
        resized = (int(size[0] * scale + 0.5), int(size[1] * scale + 0.5))
        longest = self.resolution[0] * self.resolution[1] // self.step
        longest -= longest % self.step
        wide, high = (min(side - side % self.step, longest) for side in resized)
        return (wide, high), resized

    def _shrink(self, wide: float, high: float, aspect: float) -> Size:
        """Round one side to the step: the one whose bucket keeps the aspect ratio better."""
        width, height = self._floor_to_step(wide), self._floor_to_step(high)
        # The rounded partner is only used to compare; the image keeps its exact ratio.
        partner_height = self._floor_to_step(width / aspect) or self.step
        partner_width = self._floor_to_step(height * aspect) or self.step
        error_by_width = abs(width / partner_height - aspect)
        error_by_height = abs(partner_width / (height or self.step) - aspect)
        if error_by_width < error_by_height:
            return width, int(width / aspect + 0.5)
        return int(height * aspect + 0.5), height

    def _floor_to_step(self, length: float) -> int:
        whole = int(length + 0.5)
        return whole - whole % self.step
