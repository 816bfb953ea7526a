"""Compare two pictures closely, at a size at which a face in a full figure can be seen.

The pictures are aligned, brought to the same sharpness, tones and colours, and what then differs
beyond noise is either nothing (a copy), a mark over one of them (a copy, too), or content (a
variant). What is neither clearly is left to a person.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.curation.duplicates import overlay
from prep.curation.duplicates.alignment import refined
from prep.curation.duplicates.differences import BoolPlane, Plane, luma_of, significance
from prep.curation.duplicates.plain_regions import one_changed_alone
from prep.curation.duplicates.softness import blur_between
from prep.curation.duplicates.tones import Planes, in_tones_of
from prep.curation.duplicates.vanishing import may_vanish, vanishes
from prep.images import decode_small

Pixels = NDArray[np.uint8]
"""Red, green and blue, shape (height, width, 3)."""
Warp = NDArray[np.float32]

MOST_PIXELS = 1 << 18
"""Pixels of a picture that is compared closely: 512 x 512, or 418 x 627."""
_SIDE = 512
_RIM = 9
"""Side of the square that must be covered around each compared pixel."""
_COVERED = 0.5
"""Minimum share of the first picture that the second must cover."""
_COLOURLESS, _RARE = 8, 0.0005
"""Largest difference of channels in grey pixels, and share of others in a grey picture."""
_STILL = 0.06
"""Movement of the corners, pixels, up to which pictures are not resampled."""
_SHARPER, _SOFTEST, _HALVINGS = 1.12, 2.2, 5
"""Ratio of detail from which the sharper one is softened, and by how much at most."""
_MUCH_SHARPER = 1.3
"""Ratio of detail from which a difference may be one of blur alone."""
CHANGED = 25.0
"""Significance from which a place has visibly changed."""


@dataclass(frozen=True)
class CloseLook:
    """What differs between two aligned pictures.

    Attributes:
        significance: That of the most different place, 0 for equal pictures.
        area: Share of the picture that differs, 0 to 1.
        first_marked: Probability that the first is the second with a mark over it.
        second_marked: The same the other way round.
        other_ground: The background may be another one: a rule of colours explains the difference,
            but only a plain region changed its colour, or the rule makes visible detail vanish.
    """

    significance: float
    area: float
    first_marked: float = 0.0
    second_marked: float = 0.0
    other_ground: bool = False


def detailed(path: Path) -> Pixels:
    """Return a picture of at most ``MOST_PIXELS`` pixels.

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    return detailed_image(decode_small(path, _SIDE))


def detailed_image(image: Image.Image) -> Pixels:
    """Reduce a picture to ``MOST_PIXELS`` pixels if it has more."""
    factor = (MOST_PIXELS / (image.width * image.height)) ** 0.5
    if factor < 1:
        size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        image = image.resize(size, Image.Resampling.BOX)
    return np.asarray(image.convert("RGB"), np.uint8)


class AlignedPair:
    """Two pictures in the frame of the first, equally sharp.

    Attributes:
        first: Red, green and blue, shape (3, height, width).
        second: The same of the second picture.
        warp: How to get from places of the first to places of the second, in shares of their
            width and height, shape (2, 3).
        covered: Pixels that both show.
        inside: Those that are compared.
    """

    def __init__(self, first: Pixels, second: Pixels, warp: Warp) -> None:
        """Align them.

        Args:
            first: A picture.
            second: Another one, of any size.
            warp: About how to get from places of the first to places of the second, both in units
                of their width and height, shape (2, 3).
        """
        one, other = _equally_colourful(*_equally_large(first, second))
        height, width = one.shape[:2]
        scale = np.diag((width, height, 1.0))
        full = scale @ np.vstack((warp, (0, 0, 1))) @ np.linalg.inv(scale)
        # The centre of the first pixel is at half a pixel of the picture.
        half = np.array(((1, 0, 0.5), (0, 1, 0.5), (0, 0, 1)))
        start = (np.linalg.inv(half) @ full @ half)[:2].astype(np.float32)
        grey = [cv2.cvtColor(each, cv2.COLOR_RGB2GRAY).astype(np.float32) for each in (one, other)]
        aligned = refined(grey[0], grey[1], start)
        back = np.linalg.inv(scale) @ half @ np.vstack((aligned, (0, 0, 1)))
        self.warp: Warp = (back @ np.linalg.inv(half) @ scale)[:2].astype(np.float32)
        moved, self.covered = _moved(other.astype(np.float32), aligned)
        rim = np.ones((_RIM, _RIM), np.uint8)
        inside = cv2.erode(
            self.covered.astype(np.uint8), rim, borderType=cv2.BORDER_CONSTANT, borderValue=0
        )
        self.inside: BoolPlane = inside > 0
        self._as_found = tuple(
            np.ascontiguousarray(each.transpose(2, 0, 1))
            for each in (one.astype(np.float32), moved)
        )
        self.first, self.second = _equally_sharp(*self._as_found)

    @property
    def overlaps(self) -> bool:
        """Return whether they show enough in common."""
        return float(self.inside.mean()) >= _COVERED

    def blur_alike(self) -> bool:
        """Blur the sharper one as the other is blurred, by movement for instance.

        Returns:
            ``False`` if no blur explains how they differ: nothing has changed then.
        """
        grey = [luma_of(each) for each in self._as_found]
        detail = [_detail(each) for each in grey]
        sharp = 0 if detail[0] > detail[1] else 1
        if max(detail) < _MUCH_SHARPER * min(detail):
            return False
        kernel = blur_between(grey[sharp], grey[1 - sharp], self.inside)
        if kernel is None:
            return False
        planes = list(self._as_found)
        planes[sharp] = np.stack(
            [
                cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_REPLICATE)
                for plane in planes[sharp]
            ]
        ).clip(0, 255)
        self.first, self.second = planes
        return True


def look(first: Pixels, second: Pixels, warp: Warp) -> CloseLook | None:
    """Compare two pictures; ``None`` if they have too little in common.

    Args:
        first: A picture of at most ``MOST_PIXELS`` pixels.
        second: Another one.
        warp: See ``AlignedPair``.
    """
    if np.array_equal(first, second):
        return CloseLook(0.0, 0.0)
    pair = AlignedPair(first, second, warp)
    if not pair.overlaps:
        return None
    found = _Differences(pair)
    if found.map.max() >= CHANGED and pair.blur_alike():
        found = _Differences(pair)
    highest = float(found.map.max())
    # What differs anyway, such as a bar with an address, is judged below.
    alike = pair.inside & (found.map <= overlay.DIFFERENT_FROM)
    other_ground = one_changed_alone(pair.first, pair.second, alike) or found.detail_vanishes()
    if highest < CHANGED:
        return CloseLook(highest, 0.0, other_ground=other_ground)
    area = float((found.map > overlay.DIFFERENT_FROM).sum() / pair.inside.sum())
    one, other = map(overlay.probability, found.traits())
    return CloseLook(highest, area, one, other, other_ground)


def changes(first: Pixels, second: Pixels, warp: Warp) -> tuple[Plane, Warp] | None:
    """Return how visible the difference is at each place, and the exact way to the second picture.

    Returns:
        Significance, in the frame of the first, and the map as in ``AlignedPair``; ``None`` if the
        pictures have too little in common.
    """
    pair = AlignedPair(first, second, warp)
    return (_Differences(pair).map, pair.warp) if pair.overlaps else None


def difference_traits(
    first: Pixels, second: Pixels, warp: Warp
) -> tuple[overlay.Traits | None, overlay.Traits | None] | None:
    """Return the traits of the difference if the first, and if the second is the marked one.

    Returns:
        ``None`` if the pictures do not visibly differ, or have too little in common.
    """
    pair = AlignedPair(first, second, warp)
    if not pair.overlaps:
        return None
    found = _Differences(pair)
    return found.traits() if found.map.max() >= CHANGED else None


class _Differences:
    """Where a pair differs, whichever picture's tones are matched to the other's.

    Clipped tones can be matched in one direction only: the one with the smaller difference counts.
    """

    def __init__(self, pair: AlignedPair) -> None:
        self._pair = pair
        self._second_matched = in_tones_of(pair.second, pair.first, pair.inside)
        self.map: Plane = significance(pair.first, self._second_matched, pair.covered, pair.inside)
        if self.map.max() >= CHANGED:
            again = significance(pair.second, self._first_matched, pair.covered, pair.inside)
            self.map = np.minimum(self.map, again)

    @cached_property
    def _first_matched(self) -> Planes:
        return in_tones_of(self._pair.first, self._pair.second, self._pair.inside)

    def detail_vanishes(self) -> bool:
        """Return whether the tones of one picture make visible detail of the other vanish."""
        pair = self._pair
        return may_vanish(pair.second, self._second_matched, pair.inside) and vanishes(
            pair.first, pair.second, self._first_matched, self._second_matched, pair.inside
        )

    def traits(self) -> tuple[overlay.Traits | None, overlay.Traits | None]:
        """Return the traits if the first, and if the second is the marked one."""
        pair = self._pair
        return (
            overlay.traits(self._second_matched, pair.first, self.map, pair.inside),
            overlay.traits(self._first_matched, pair.second, self.map, pair.inside),
        )


def _equally_large(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Reduce both to the pixels of the smaller one, in the aspect ratio of the first."""
    height, width = first.shape[:2]
    factor = min(1.0, (second.shape[0] * second.shape[1] / (height * width)) ** 0.5)
    size = max(8, round(width * factor)), max(8, round(height * factor))
    one, other = (
        np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_AREA), np.uint8)
        if each.shape[1::-1] != size
        else each
        for each in (first, second)
    )
    return one, other


def _equally_colourful(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Make both grey if one is: no rule of tones takes a rare colour away."""
    for each in (first, second):
        # Not ``max(axis=2)``, which takes twenty times as long over so short an axis.
        red, green, blue = cv2.split(each)
        most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
        colour = cv2.subtract(most, least)
        if (colour > _COLOURLESS).mean() > _RARE:
            continue
        one, other = (
            np.asarray(cv2.merge([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)] * 3), np.uint8)
            for picture in (first, second)
        )
        return one, other
    return first, second


def _moved(pixels: NDArray[np.float32], warp: Warp) -> tuple[NDArray[np.float32], BoolPlane]:
    height, width = pixels.shape[:2]
    off = np.abs(warp - np.eye(2, 3)) @ np.array((width, height, 1))
    if off.max() < _STILL:
        return pixels, np.ones((height, width), np.bool_)
    size, back = (width, height), cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        pixels, warp, size, flags=cv2.INTER_CUBIC | back, borderMode=cv2.BORDER_REPLICATE
    )
    ones = np.ones((height, width), np.float32)
    covered = cv2.warpAffine(ones, warp, size, flags=cv2.INTER_LINEAR | back)
    return np.asarray(moved, np.float32).clip(0, 255), np.asarray(covered > 0.999)


def _equally_sharp(one: Planes, other: Planes) -> tuple[Planes, Planes]:
    """Blur the sharper picture until it has about as much detail."""
    grey = [luma_of(each) for each in (one, other)]
    detail = [_detail(each) for each in grey]
    sharp = 0 if detail[0] > detail[1] else 1
    if max(detail) < _SHARPER * min(detail):
        return one, other
    low, high = 0.2, _SOFTEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        softened = np.asarray(cv2.GaussianBlur(grey[sharp], (0, 0), middle), np.float32)
        if _detail(softened) > detail[1 - sharp]:
            low = middle
        else:
            high = middle
    amount = (low + high) / 2
    blurred = [
        np.stack([cv2.GaussianBlur(plane, (0, 0), amount) for plane in each])
        if place == sharp
        else each
        for place, each in enumerate((one, other))
    ]
    return blurred[0], blurred[1]


def _detail(luma: Plane) -> float:
    soft = cv2.GaussianBlur(luma, (0, 0), 0.6)
    return float(np.abs(cv2.Laplacian(soft, cv2.CV_32F)).mean())
