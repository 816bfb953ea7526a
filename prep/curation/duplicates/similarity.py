"""Compare two pictures in detail, after their hashes nearly agreed.

A 64-bit hash cannot tell a re-encoded copy from the same character with another expression: both
differ in a bit or two. Here two small colour versions are aligned (shifted, scaled
and sheared as by a crop or a resize), matched in tones and colours, and compared
patch by patch: a copy differs little everywhere, another picture differs much somewhere. Text
over a picture is distinguished from changes in it by its shape. The constants were chosen by
measurement (``benchmarks/similarity.py``, ``benchmarks/duplicates.py``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.overlay import BoolPlane, Plane, written_over
from prep.images import decode_small

VERSION = 1
"""Version of the comparison: raise it when results may change."""
SIDE = 128
"""Thumbnails are squares of this many pixels, whatever its aspect ratio."""
Thumbnail = NDArray[np.uint8]
Warp = NDArray[np.float32]

_ALIGNED_AT = (64, SIDE)
"""Pictures are aligned at the first size, and at the second if that is not conclusive."""
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
_AROUND = 11
_COVERED = 0.5
"""Minimum share of the first picture that the second must cover."""
_FLAT = 1.0
"""Spread of grey levels below which there is nothing to align."""
_EXPLAINED = 0.6
"""Share of the variance of the first picture's luma that the second must explain."""
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
"""Maximum ``difference`` of copies."""
_VARIANT_AREA = 0.35
"""Maximum share of a variant that differs."""
_UNLIKE = float("inf")


@dataclass(frozen=True)
class Comparison:
    """The result of comparing two pictures.

    Attributes:
        difference: Difference of the most different patch, in units of the spread of the first's
            grey levels: 0 for the same picture, below ``SAME_BELOW`` for copies, infinite when
            they cannot be aligned.
        area: Share of the picture that differs by more than ``SAME_BELOW``, 0 to 1.
        overlay: Which of the two, 1 or 2, has text or a watermark over it as the only difference;
            0 for none.
        recoloured: One has other colours, or is grey.
    """

    difference: float
    area: float = 0.0
    overlay: int = 0
    recoloured: bool = False

    @property
    def same(self) -> bool:
        """Return whether they are the same picture."""
        return self.difference < SAME_BELOW or self.overlay > 0

    @property
    def variant(self) -> bool:
        """Return whether they differ only in a detail, such as a facial expression."""
        return not self.same and self.difference < _UNLIKE and self.area <= _VARIANT_AREA


NOTHING_ALIKE = Comparison(_UNLIKE, 1.0)


def thumbnail(path: Path) -> Thumbnail:
    """Return a small RGB square of a file, shape (SIDE, SIDE, 3).

    Raises:
        UnreadableError: The file cannot be decoded.
    """
    pixels = np.asarray(decode_small(path, 2 * SIDE))
    small: Any = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def compare(first: Thumbnail, second: Thumbnail) -> Comparison:
    """Align two thumbnails and measure their differences."""
    a, b = map(_Picture, _equally_soft(_planes(first), _planes(second)))
    if a.spread < _FLAT or b.spread < _FLAT:
        # Plain areas: equal if their tones are.
        apart = float(np.abs(a.planes - b.planes).max())
        return Comparison(0.0) if apart < 2 * _FLAT else NOTHING_ALIKE
    everywhere = np.ones((SIDE, SIDE), np.bool_)
    found = _compared(a, b, everywhere)
    if found.difference < SAME_BELOW / 2:
        return found
    warp: Warp = np.eye(2, 3, dtype=np.float32)
    for side in _ALIGNED_AT:
        aligned = _aligned(a.planes, b.planes, warp, side)
        if aligned is None:
            return found if found.same else NOTHING_ALIKE
        warp = aligned
        moved, covered = _moved(b.planes, warp)
        better = _compared(a, _Picture(moved), covered)
        found = min(found, better, key=lambda each: (not each.same, each.difference))
        if found.same or found.difference > _HOPELESS:
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


def _compared(a: _Picture, b: _Picture, inside: BoolPlane) -> Comparison:
    """Compare aligned pictures where ``b`` covers ``a``."""
    within = inside.copy()
    within[:_RIM], within[-_RIM:], within[:, :_RIM], within[:, -_RIM:] = (False,) * 4
    if inside.mean() < _COVERED:
        return NOTHING_ALIKE
    pair = _Pair(a, b, inside)
    others = pair.in_tones(inside)
    if not _explains(a.soft[0], others[0], inside):
        return NOTHING_ALIKE
    patches = pair.patches(others)
    different = (patches > SAME_BELOW) & within
    overlay = 0
    if different.any():
        # The overlay must not affect the tones of the rest.
        around = cv2.dilate(different.astype(np.uint8), np.ones((_AROUND, _AROUND), np.uint8)) > 0
        if (inside & ~around).mean() > _COVERED:
            others = pair.in_tones(inside & ~around)
            again = pair.patches(others)
            overlay = written_over(a.soft[0], others[0], again, within, SAME_BELOW)
    shift = float(np.abs(a.planes[..., 1:] - b.planes[..., 1:])[inside].mean())
    area = float(different.sum() / within.sum())
    return Comparison(float(patches[within].max()), area, overlay, shift > _RECOLOURED)


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
    spread = float(a[inside].var())
    return float((a - other)[inside].var()) <= (1 - _EXPLAINED) * spread or spread < _FLAT


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
