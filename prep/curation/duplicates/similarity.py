"""Compare two pictures at a small size, after their hashes nearly agreed: the first look.

A 64-bit hash cannot tell a copy from another picture of the same composition. Here two small
colour versions are aligned (shifted, scaled and sheared as by a crop or a resize), matched in
tones and colours, and compared patch by patch. Most candidates are ruled out by that; faces and
marks are too small to be seen, which ``closer`` looks at. The constants were chosen by measurement
(``benchmarks/similarity.py``, ``benchmarks/duplicates.py``).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep.curation.duplicates.differences import BoolPlane, Plane
from prep.images import decode_small

VERSION = 2
"""Version of the comparison: raise it when results may change."""
SIDE = 128
"""Thumbnails are squares of this many pixels, whatever its aspect ratio."""
Thumbnail = NDArray[np.uint8]
Warp = NDArray[np.float32]

_ALIGNED_AT = 64
"""Size at which pictures are aligned; parts of pictures again at full size."""
_ITERATIONS, _ENOUGH, _SMOOTHING = 60, 1e-4, 3
_PATCH = 4
"""Side of the patches compared: 1/32 of the picture, about an eye of a full figure."""
_BLUR = 1.0
"""Both are softened (pixels of the thumbnail), so that a blurred copy is still a copy."""
_SOFTER, _SOFTEN = 1.7, (0.5, 0.75, 1.0, 1.5, 2.0)
"""Ratio of detail from which the sharper one is softened further, by one of these."""
_RIM = 4
"""Margin of the overlap that is not compared, pixels."""
_HOPELESS = 0.9
"""Difference after the first alignment above which pictures are not aligned again."""
_COVERED = 0.5
"""Minimum share of the first picture that the second must cover."""
_FLAT = 1.0
"""Spread of grey levels below which there is nothing to align."""
_EXPLAINED, _TRIMMED = 0.6, 0.9
"""Share of the variance of the first picture's luma that the second must explain, at the places
that are explained best, which are this share: others may have a mark over them."""
_CONTRAST = 20.0
"""Differences are in units of the spread of grey levels, at least this: noise is not content."""
_AREA, _AREA_SHARE = 32, 0.8
"""Side of areas over which most of a difference counts as lighting, not content."""
_EDGE_DOUBT = 2.0
"""Weight that reduces differences where both pictures have an edge, which resampling moves."""
_COLOURLESS = 3.0
"""Spread of colours below which a picture is grey and its colours cannot be compared."""
_RECOLOURED = 12.0
"""Mean change of colour, levels, from which a copy counts as recoloured."""
_TONE, _OWN, _OTHER = 1e-6, 0.003, 0.02
_RIDGES = (
    (0.0, _TONE, _TONE, _TONE, _OTHER, _OTHER),
    (0.0, _OTHER, _OTHER, _OTHER, _OWN, _OTHER),
    (0.0, _OTHER, _OTHER, _OTHER, _OTHER, _OWN),
)
"""Regularisation of the fit of luma and colours on each power of luma and each colour."""
SAME_BELOW = 0.30
"""Maximum ``difference`` of parts of pictures that show the same."""
_MOSTLY_ALIKE = 0.5
"""Maximum share that may differ in pictures that are worth a closer look."""
_UNLIKE = float("inf")


@dataclass(frozen=True)
class FirstLook:
    """The result of comparing two thumbnails.

    Attributes:
        difference: Difference of the most different patch, in units of the spread of the first's
            grey levels: 0 for the same picture, infinite when they cannot be aligned.
        area: Share of the picture that differs by more than ``SAME_BELOW``, 0 to 1.
        recoloured: One has other colours, or is grey.
        warp: Maps places of the first to places of the second, both in units of their width and
            height; shape (2, 3).
    """

    difference: float
    area: float = 0.0
    recoloured: bool = False
    warp: Warp = field(default_factory=lambda: np.eye(2, 3, dtype=np.float32))

    @property
    def alike(self) -> bool:
        """Return whether they may be the same picture, or variants of one."""
        return self.difference < _UNLIKE and self.area <= _MOSTLY_ALIKE


UNLIKE = FirstLook(_UNLIKE, 1.0)


def thumbnail(path: Path) -> Thumbnail:
    """Return a small RGB square of a file, shape (SIDE, SIDE, 3).

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    return small_square(decode_small(path, 2 * SIDE))


def small_square(image: Image.Image) -> Thumbnail:
    """Reduce a picture to the square that ``first_look`` compares."""
    pixels = np.asarray(image.convert("RGB"))
    small: Any = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def same_part(first: Thumbnail, second: Thumbnail) -> bool:
    """Return whether two thumbnails, which may be slightly out of line, show the same."""
    return _look(first, second, (_ALIGNED_AT, SIDE)).difference < SAME_BELOW


def first_look(first: Thumbnail, second: Thumbnail) -> FirstLook:
    """Align two thumbnails roughly, and measure their differences."""
    return _look(first, second, (_ALIGNED_AT,))


def _look(first: Thumbnail, second: Thumbnail, sizes: tuple[int, ...]) -> FirstLook:
    a, b = map(_Picture, _equally_soft(_planes(first), _planes(second)))
    if a.spread < _FLAT or b.spread < _FLAT:
        # Plain areas: equal if their tones are.
        apart = float(np.abs(a.planes - b.planes).max())
        return FirstLook(0.0) if apart < 2 * _FLAT else UNLIKE
    warp: Warp = np.eye(2, 3, dtype=np.float32)
    found = _compared(a, b, np.ones((SIDE, SIDE), np.bool_), warp)
    if found.difference < SAME_BELOW / 2:
        return found
    for side in sizes:
        aligned = _aligned(a.planes, b.planes, warp, side)
        if aligned is None:
            return found
        warp = aligned
        moved, covered = _moved(b.planes, warp)
        better = _compared(a, _Picture(moved), covered, warp)
        found = min(found, better, key=lambda each: each.difference)
        if found.difference < SAME_BELOW or found.difference > _HOPELESS:
            return found
    return found


class _Picture:
    """A thumbnail with values that every comparison needs.

    Attributes:
        planes: Luma and two colour differences, shape (SIDE, SIDE, 3).
        soft: The same softened, planes first, shape (3, SIDE, SIDE).
        spread: Standard deviation of the luma, levels.
        colours: The same for both colour differences together.
    """

    def __init__(self, planes: Plane) -> None:
        self.planes, self.soft = planes, _split(_soft(planes))
        mean, spread = (each.ravel() for each in cv2.meanStdDev(planes))
        self.spread = float(spread[0])
        self.colours = float(np.sqrt((spread[1:] ** 2).mean() + mean[1:].var()))


def _planes(pixels: Thumbnail) -> Plane:
    """Return luma and two colour differences."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2YCrCb), np.float32)


def _equally_soft(a: Plane, b: Plane) -> tuple[Plane, Plane]:
    """Blur the crisper of two pictures until it is about as soft as the other."""
    detail = [_detail(picture) for picture in (a, b)]
    crisp, soft = (a, b) if detail[0] > detail[1] else (b, a)
    if min(detail) * _SOFTER > max(detail):
        return a, b
    tried = [np.asarray(cv2.GaussianBlur(crisp, (0, 0), sigma), np.float32) for sigma in _SOFTEN]
    best = min(tried, key=lambda picture: abs(_detail(picture) - min(detail)))
    return (best, soft) if crisp is a else (soft, best)


def _detail(picture: Plane) -> float:
    return float(cv2.Laplacian(np.ascontiguousarray(picture[..., 0]), cv2.CV_32F).std())


def _compared(a: _Picture, b: _Picture, inside: BoolPlane, warp: Warp) -> FirstLook:
    """Compare aligned pictures where ``b`` covers ``a``."""
    within = inside.copy()
    within[:_RIM], within[-_RIM:], within[:, :_RIM], within[:, -_RIM:] = (False,) * 4
    if inside.mean() < _COVERED:
        return UNLIKE
    pair = _Pair(a, b, inside)
    others = pair.in_tones(inside)
    if not _explains(a.soft[0], others[0], inside):
        return UNLIKE
    patches = pair.patches(others)
    shift = float(np.abs(a.planes[..., 1:] - b.planes[..., 1:])[inside].mean())
    area = float(((patches > SAME_BELOW) & within).sum() / within.sum())
    return FirstLook(float(patches[within].max()), area, shift > _RECOLOURED, _in_units(warp))


def _in_units(warp: Warp) -> Warp:
    """Return a map of pixels as a map of shares of the width and height."""
    result = warp.copy()
    result[:, 2] = (warp[:, 2] + 0.5 * (1 - warp[:, :2].sum(axis=1))) / SIDE
    return result


class _Pair:
    """Two aligned pictures, where the second covers the first."""

    def __init__(self, a: _Picture, b: _Picture, inside: BoolPlane) -> None:
        self._inside, self._first, self._second = inside, a.soft, b.soft
        self._powers, self._soft_powers = _powers(_split(b.planes)), _powers(b.soft)
        self._wanted = (a.planes - b.planes).reshape(-1, 3)
        self._scale = max(a.spread, _CONTRAST)
        # The colours of a grey picture cannot be compared.
        self._planes = 1 if min(a.colours, b.colours) < _COLOURLESS else 3

    def in_tones(self, where: BoolPlane) -> Plane:
        """Return the second picture in the tones and colours of the first, shape (3, SIDE, SIDE).

        By least squares over the pixels ``where``: a cubic of the luma and linear in the
        colours, so that a change of lighting or of all colours is no difference, but that of an eye
        is. Regularised towards no change, so that a few
        pixels cannot cause a large one.
        """
        known, count = self._powers * where.ravel(), int(where.sum())
        square, wanted = known @ self._powers.T, known @ self._wanted
        weights = [
            np.linalg.solve(square + count * np.diag(ridge), wanted[:, number])
            for number, ridge in enumerate(_RIDGES)
        ]
        change = np.array(weights, np.float32) @ self._soft_powers
        return self._second + change.reshape(self._second.shape)

    def patches(self, others: Plane) -> Plane:
        """Return the difference at each place, in units of the spread of the first's luma."""
        edges = np.minimum(_edges(self._first[0]), _edges(others[0])) / self._scale
        doubt = 1 / (1 + _EDGE_DOUBT * edges)
        patches = np.zeros((SIDE, SIDE), np.float32)
        for first, other in zip(self._first[: self._planes], others, strict=False):
            residual = np.where(self._inside, first - other, np.float32(0))
            residual -= _AREA_SHARE * cv2.boxFilter(residual, -1, (_AREA, _AREA))
            local = cv2.boxFilter(residual * doubt, -1, (_PATCH, _PATCH))
            patches = np.maximum(patches, np.abs(local) / self._scale)
        return patches


def _explains(a: Plane, other: Plane, inside: BoolPlane) -> bool:
    """Return whether the second picture, matched in tones, explains the first at all."""
    off = (a - other)[inside]
    kept = np.abs(off - off.mean())
    kept = kept <= np.quantile(kept, _TRIMMED)
    spread = float(a[inside][kept].var())
    return float(off[kept].var()) <= (1 - _EXPLAINED) * spread or spread < _FLAT


def _split(picture: Plane) -> Plane:
    """Return the planes of a picture, planes first, shape (3, SIDE, SIDE)."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1))


def _powers(planes: Plane) -> Plane:
    """Return the regressors of tones and colours, shape (6, SIDE * SIDE)."""
    luma, red, blue = (planes.reshape(3, -1) - 128) / 64
    return np.stack((np.ones_like(luma), luma, luma * luma, luma * luma * luma, red, blue))


def _aligned(a: Plane, b: Plane, start: Warp, side: int) -> Warp | None:
    """Return the affine map that aligns ``b`` with ``a``, or ``None`` if nothing fits.

    By maximising the correlation (Evangelidis and Psarakis, "Parametric Image Alignment using
    Enhanced Correlation Coefficient Maximization", PAMI 2008), which brightness does not affect.

    Args:
        a: Planes, of which the luma is used.
        b: Like ``a``.
        start: Initial map, at full size.
        side: Size to work at.
    """
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, _ITERATIONS, _ENOUGH)
    first, second = (
        cv2.resize(np.ascontiguousarray(p[..., 0]), (side, side), interpolation=cv2.INTER_AREA)
        for p in (a, b)
    )
    begin: Any = _scaled(start, side / SIDE)
    try:
        _, warp = cv2.findTransformECC(
            first, second, begin, cv2.MOTION_AFFINE, criteria, np.full((0, 0), 0), _SMOOTHING
        )
    except cv2.error:  # it does not converge on unlike pictures
        return None
    return _scaled(np.asarray(warp, np.float32), SIDE / side)


def _scaled(warp: Warp, factor: float) -> Warp:
    """Return a map for pictures ``factor`` times as large; (0, 0) is the centre of a pixel."""
    result = warp.copy()
    result[:, 2] = factor * warp[:, 2] + (factor - 1) / 2 * (1 - warp[:, :2].sum(axis=1))
    return result


def _moved(b: Plane, warp: Warp) -> tuple[Plane, BoolPlane]:
    """Return ``b`` aligned with the other picture, and the mask it covers."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(b, warp, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    covered = cv2.warpAffine(np.ones((SIDE, SIDE), np.float32), warp, (SIDE, SIDE), flags=flags)
    return np.asarray(moved, np.float32), np.asarray(covered > 0.999)


def _soft(pixels: Plane) -> Plane:
    return np.asarray(cv2.GaussianBlur(pixels, (0, 0), _BLUR), np.float32)


def _edges(pixels: Plane) -> Plane:
    """Return the steepest slope around each pixel, in grey levels per pixel."""
    across, down = cv2.Sobel(pixels, -1, 1, 0), cv2.Sobel(pixels, -1, 0, 1)
    steepness = cv2.magnitude(across, down) / 8  # the sum of the kernel's weights
    return np.asarray(cv2.dilate(steepness, np.ones((3, 3), np.uint8)), np.float32)
