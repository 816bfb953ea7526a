"""Is the difference of two pictures a mark that was put over one of them?

A signature, an address or a logo is a blend: ``marked = base + opacity * (colour - base)`` with
one colour (two, if text has an outline or a bar behind it) and one opacity along its strokes. It
adds edges where it lies and removes none, is made of strokes of one width, and covers little.
Another expression changes some places to skin and others to ink, and removes edges as well as it
adds some. These traits are measured; what they say together was learned from marks and changes of
many pictures (``benchmarks/marks_fit.py``).
"""

import math
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.blend import Blend, explained
from prep.curation.duplicates.differences import BoolPlane, Plane, luma_of
from prep.curation.duplicates.tones import Planes
from prep.curation.duplicates.trees import BoostedTrees

DIFFERENT_FROM = 5.0
"""Significance from which a pixel belongs to the difference."""
SURE, POSSIBLE = 0.95, 0.5
"""Probabilities from which a difference is a mark, and from which it may be one."""
_EXPLAINED, _IN_DOUBT = 0.9, 0.9
"""Minimum of the trait ``worst`` of a mark alone, and the largest probability of anything else."""
_BROADEST = 0.1
"""Diameter, over the side of the picture, of the largest disc in a mark: bars with an address have
up to 0.085. What is broader, such as a translucent wing, may be content."""
_MOST = 0.6
"""Share of the picture above which the difference is no mark."""
_FEWEST = 4
_CORE = 0.55
"""Share of the opacity from which a pixel belongs to the strokes, not to their edges."""
_NO_INNER = 15
_TOGETHER, _CLEAR = 9, 60.0
"""Distance of pixels of one part, and significance from which a part counts on its own."""
_AROUND = 12
"""Pixels around a difference that are looked at, too."""


class Traits(NamedTuple):
    """What a difference is like if one picture is the other with a mark over it.

    Attributes:
        one: Share of its energy that a blend of one colour explains.
        two: The same for two colours.
        flat: The same, inside strokes, if each colour has one opacity.
        texture: Share of the variation of the change, inside strokes, that this explains, -1 to 1.
        opacity: That of the first colour.
        sign: How far all of it is lighter, or all darker.
        edges: Logarithm of the energy of edges in the marked picture over that in the base.
        added: Share of the edges that the marked picture has and the base has not.
        area: Logarithm of the share of the picture.
        power: Logarithm of the mean change of levels.
        inner: Share of pixels that have only strokes around them.
        strokes: Logarithm of the length of strokes over the diagonal of what they fill.
        width: Logarithm of the width of strokes, over the side of the picture.
        long: Logarithm of the ratio of length to height.
        extent: Logarithm of the length, over the side of the picture.
        fill: Share of the rectangle around it that the strokes cover.
        rhythm: Logarithm of the number of gaps along the length.
        even: Logarithm of the number of parts, large ones counting more.
        margin: Distance from the edge of the picture, up to a tenth.
        worst: Share of the energy that the blend explains in the part where it explains least; a
            part that differs clearly and is not explained is content, whatever the mark beside it.
    """

    one: float
    two: float
    flat: float
    texture: float
    opacity: float
    sign: float
    edges: float
    added: float
    area: float
    power: float
    inner: float
    strokes: float
    width: float
    long: float
    extent: float
    fill: float
    rhythm: float
    even: float
    margin: float
    worst: float
    broad: float


def traits(base: Planes, marked: Planes, different: Plane, inside: BoolPlane) -> Traits | None:
    """Measure a difference on the assumption that ``marked`` is ``base`` with a mark over it.

    Args:
        base: Red, green and blue, in the tones of the other.
        marked: Red, green and blue.
        different: Significance of the difference at each place.
        inside: The pixels that are compared.

    Returns:
        ``None`` if the difference is too small or too large to say.
    """
    everywhere = different > DIFFERENT_FROM
    if not _FEWEST <= everywhere.sum() <= _MOST * inside.sum():
        return None
    part = _part_around(everywhere)
    base, marked, where = base[:, *part], marked[:, *part], everywhere[part]
    change = np.stack([cv2.GaussianBlur(plane, (0, 0), 0.6) for plane in marked - base])
    blend = explained(base[:, where], change[:, where])
    opacity = np.zeros(where.shape, np.float32)
    opacity[where] = blend.relative
    core = opacity > _CORE
    if core.sum() < _FEWEST:
        core = where
    inner = cv2.erode(core.astype(np.uint8), np.ones((3, 3), np.uint8))[where] > 0
    luma = luma_of(change)[where]
    sizes = np.sqrt((change[:, where] ** 2).sum(axis=0))
    return Traits(
        blend.one,
        blend.two,
        blend.at_one_opacity(inner) if inner.sum() > _NO_INNER else 0.7,
        blend.of_texture(inner) if inner.sum() > _NO_INNER else 0.0,
        blend.opacity,
        float(abs(luma.sum()) / max(float(np.abs(luma).sum()), 1e-6)),
        *_edges(base, marked, where),
        math.log(float(where.sum() / inside.sum())),
        math.log(float(sizes.mean()) + 1),
        float(inner.mean()),
        *_shape(core, math.sqrt(everywhere.size)),
        _parts(core),
        min(0.1, _margin(everywhere)),
        _worst(where, different[part], change, blend),
        _broad(where) / math.sqrt(everywhere.size),
    )


def probability(found: Traits | None) -> float:
    """Return how likely it is that a difference with these traits is a mark and nothing else."""
    if found is None:
        return 0.0
    likely = _model().probability(found._asdict())
    strokes = found.worst >= _EXPLAINED and found.broad <= _BROADEST
    return likely if strokes else min(likely, _IN_DOUBT)


@cache
def _model() -> BoostedTrees:
    return BoostedTrees(Path(__file__).with_name("overlay_model.json"))


def _edges(base: Planes, marked: Planes, where: BoolPlane) -> tuple[float, float]:
    """Return the traits ``edges`` and ``added``."""
    around = cv2.dilate(where.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    fine = [_fine(luma_of(picture)) for picture in (base, marked)]
    before, after = (plane[around] for plane in fine)
    ratio = math.log(float((after**2).sum()) + 1) - math.log(float((before**2).sum()) + 1)
    count, labels = cv2.connectedComponents(around.astype(np.uint8))
    of = labels[around]
    new, old = (
        np.bincount(of, weights, count)[1:].clip(0).sum()
        for weights in ((after - before) * after, (before - after) * before)
    )
    return ratio, float(new / (new + old + 1))


def _fine(luma: Plane) -> Plane:
    soft = cv2.GaussianBlur(luma, (0, 0), 0.8)
    return np.asarray(soft - cv2.GaussianBlur(luma, (0, 0), 3.0), np.float32)


def _shape(core: BoolPlane, side: float) -> tuple[float, float, float, float, float, float]:
    """Return the traits ``strokes``, ``width``, ``long``, ``extent``, ``fill``, ``rhythm``."""
    down, across = np.nonzero(core)
    points = np.stack((across, down), axis=1) - (across.mean(), down.mean())
    _, axes = np.linalg.eigh(np.cov(points.T) + 0.1 * np.eye(2))
    along = points @ axes
    low, high = np.quantile(along, (0.01, 0.99), axis=0)
    height, length = (high - low + 1).tolist()
    rim = sum(int((core[1:] != core[:-1]).sum()) for core in (core, core.T))
    area = len(points)
    width = 2 * area / max(0.8 * rim, 1.0)  # on average, a slanted rim crosses 5/4 as many pixels
    return (
        math.log(area / width / math.hypot(height, length)),
        math.log(100 * width / side),
        math.log(length / height),
        math.log(length / side),
        area / (length * height),
        math.log(1 + _gaps(along[:, 1])),
    )


def _gaps(along: NDArray[np.float64]) -> int:
    """Return how often there is much less than usual along a line, as between letters."""
    places = (along - along.min()).astype(np.intp)
    profile = np.bincount(places).astype(np.float32)
    dense = profile > 0.5 * float(np.median(profile))
    return int((dense[1:] & ~dense[:-1]).sum())


def _parts(core: BoolPlane) -> float:
    """Return the trait ``even``: the number of equal parts of the same spread of areas."""
    _, _, about, _ = cv2.connectedComponentsWithStats(core.astype(np.uint8))
    areas = about[1:, cv2.CC_STAT_AREA].astype(np.float64)
    areas = areas[areas >= _FEWEST]
    return math.log(1 + (areas.sum() ** 2 / (areas**2).sum() if len(areas) else 0))


def _worst(where: BoolPlane, different: Plane, change: Planes, blend: Blend) -> float:
    """Return the trait ``worst``."""
    near = np.ones((_TOGETHER, _TOGETHER), np.uint8)
    count, labels = cv2.connectedComponents(cv2.dilate(where.astype(np.uint8), near))
    of = labels[where]
    energy = np.bincount(of, (change[:, where] ** 2).sum(axis=0), count)[1:]
    rest = np.bincount(of, blend.rest, count)[1:]
    clear = np.bincount(of[different[where] >= _CLEAR], minlength=count)[1:] > 0
    if not clear.any():
        return 1.0
    return float((1 - rest[clear] / np.maximum(energy[clear], 1e-6)).min())


def _broad(where: BoolPlane) -> float:
    """Return the diameter, pixels, of the largest disc inside of what is true."""
    framed = np.pad(where.astype(np.uint8), 1)
    return 2 * float(cv2.distanceTransform(framed, cv2.DIST_L2, cv2.DIST_MASK_5).max())


def _margin(where: BoolPlane) -> float:
    """Return the distance from the nearest edge, as a share of the width or height."""
    margins = []
    for axis in (0, 1):
        places, length = np.flatnonzero(where.any(axis=axis)), where.shape[1 - axis]
        margins += [places[0] / length, 1 - (places[-1] + 1) / length]
    return float(min(margins))


def _part_around(where: BoolPlane) -> tuple[slice, slice]:
    """Return the rows and columns of a part with all that is true, and some pixels around it."""
    parts = []
    for axis in (1, 0):
        places = np.flatnonzero(where.any(axis=axis))
        parts.append(slice(max(0, places[0] - _AROUND), places[-1] + 1 + _AROUND))
    return parts[0], parts[1]
