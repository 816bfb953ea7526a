"""Is a plain region the only thing that changed its colour?

A figure on pink and the same figure on white are two pictures, but a rule of tones and colours
that is fitted to both may turn pink into white and leave the figure as it is. So a simpler rule
(brightness, contrast and tint) is fitted to everything outside the region and applied to it.
Bayesian regression: what the rest does not determine, such as the contrast if all of it is black,
may be anything that an edit of the whole picture does. At its rim the region blends with the rest:
pixels there follow any change of its colour, and say nothing of the rest.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.float32]
"""Red, green and blue, shape (3, …), 0..255."""
Mask = NDArray[np.bool_]

_EVERY = 4
"""Only each fourth row and column is used."""
_STEP, _NEAR = 8, 12
"""Width of the classes of levels, and distance from the colour of a region, levels."""
_REGIONS, _TRIED = 4, 16
"""Most regions that are looked at, and most frequent colours that they are made of."""
_SMALLEST, _LARGEST = 0.03, 0.95
"""Shares of the picture that a region has."""
_FEWEST = 20
"""Pixels of the rest that must lie beyond the rim of the region to leave the rim out, and that
must not be clipped to say that the rest did not change."""
_ROUNDS, _SPREADS, _NOISE = 3, 2.5, 3.0
_WORTH = 100.0
"""Number of independent pixels that those of the rest are worth: neighbours say the same."""
_USUAL = np.array((20.0, 20.0, 8.0, 8.0))
"""What an edit usually changes, levels: the level 128, and for each 64 levels the contrast of the
channel and its dependence on the two others."""
_DOUBT = 2.0
"""Standard deviations of what is predicted that do not count."""
_ALONE = 30.0
"""Levels, above those, by which the colour of a region must be off; a curve of tones that is not
straight is off by up to 20."""
_STILL, _ALONE_IF_STILL = 2.5, 10.0
"""What the rule changes in a rest that did not change at all, levels, and what is enough beside
it."""
_CLIPPED = (3.0, 252.0)
"""Levels at which a channel may have been clipped."""


def one_changed_alone(first: Planes, second: Planes, inside: Mask) -> bool:
    """Return whether a plain region changed its colour, and the rest of the picture did not.

    Args:
        first: A picture, shape (3, height, width).
        second: The other one, aligned, in its own colours.
        inside: Pixels to compare, shape (height, width).
    """
    few = inside[::_EVERY, ::_EVERY]
    if few.sum() < _WORTH:
        return False
    one, other = (each[:, ::_EVERY, ::_EVERY][:, few] for each in (first, second))
    # In both directions, since clipped tones can be predicted in one of them only.
    return any(
        _changed_alone(one, other, region, rest) and _changed_alone(other, one, region, rest)
        for region in _regions(one)
        for rest in (_rest(region, other, few),)
    )


def _rest(region: Mask, other: Planes, few: Mask) -> Mask:
    """Return the pixels outside of a region and its rim, whichever picture shows it larger.

    Args:
        region: Shape (n,).
        other: Those n pixels of the picture that it was not taken from, shape (3, n).
        few: Where they are.
    """
    place = np.zeros(few.shape, np.uint8)
    place[few] = region | _near(other, region)
    rest: Mask = cv2.dilate(place, np.ones((3, 3), np.uint8))[few] == 0
    return rest if rest.sum() >= _FEWEST else ~region


def _regions(pixels: Planes) -> list[Mask]:
    """Return the pixels that have one of the most frequent colours, for each of them."""
    classes = (pixels / _STEP).round().astype(np.int64)
    keys = classes[0] << 16 | classes[1] << 8 | classes[2]
    values, counts = np.unique(keys, return_counts=True)
    found: list[Mask] = []
    for value in values[np.argsort(-counts)][:_TRIED]:
        these = keys == value
        if any(region[these].mean() > 0.5 for region in found):
            continue
        region = _near(pixels, these)
        if _SMALLEST <= region.mean() <= _LARGEST:
            found.append(region)
    return found[:_REGIONS]


def _near(pixels: Planes, these: Mask) -> Mask:
    """Return the pixels that have about the colour of these."""
    colour = np.median(pixels[:, these], axis=1)
    near: Mask = np.abs(pixels - colour[:, None]).max(axis=0) <= _NEAR
    return near


def _changed_alone(given: Planes, wanted: Planes, region: Mask, rest: Mask) -> bool:
    if np.median(np.abs(given - wanted).max(axis=0)[region]) < _ALONE_IF_STILL:
        return False
    found = _predicted(given, wanted, region, rest)
    off = np.median(np.abs(found.pixels - wanted)[:, region], axis=1)
    # By the rule, not by the pixels, which differ by noise as well; and not by black, which most
    # edits leave black.
    tell = rest & _open(wanted, given).all(axis=0)
    moved = np.abs(found.pixels - given).max(axis=0)[tell]
    still = len(moved) >= _FEWEST and np.median(moved) <= _STILL
    least = _ALONE_IF_STILL if still else _ALONE
    return bool((off - _DOUBT * found.doubt).max() > least)


class _Prediction(NamedTuple):
    """What a rule for the rest makes of all pixels.

    Attributes:
        pixels: Red, green and blue, shape (3, n).
        doubt: Standard deviation of it in the region, levels, shape (3,).
    """

    pixels: Planes
    doubt: NDArray[np.float64]


def _predicted(given: Planes, wanted: Planes, region: Mask, rest: Mask) -> _Prediction:
    """Fit the rule to the rest."""
    weights: NDArray[np.floating] = rest.astype(np.float64)
    pixels, doubt = given, np.zeros(3)
    for round_ in range(_ROUNDS):
        off = np.abs(pixels - wanted).max(axis=0)
        spread = max(1.5, 1.5 * float(np.median(off[rest])))
        if round_:
            weights = rest * (1 + (off / (_SPREADS * spread)) ** 2) ** -2
        channels = []
        for channel in range(3):
            used = weights
            if round_:
                used = weights * _open(wanted[channel], pixels[channel])
            rows = _regressors(given, channel)
            scale = _WORTH / max(float(used.sum()), _WORTH) / max(spread, _NOISE) ** 2
            # Not by BLAS, whose threads cost more than these few numbers.
            weighted = scale * rows * used
            square = np.einsum("in,jn->ij", weighted, rows) + np.diag(_USUAL**-2.0)
            towards = np.einsum("in,n->i", weighted, (wanted - given)[channel])
            change = np.linalg.solve(square, towards)
            channels.append(given[channel] + np.einsum("i,in->n", change, rows))
            at = np.median(rows[:, region], axis=1)
            doubt[channel] = np.sqrt(at @ np.linalg.solve(square, at))
        pixels = np.stack(channels).clip(0, 255).astype(np.float32)
    return _Prediction(pixels, doubt)


def _regressors(planes: Planes, channel: int) -> NDArray[np.float64]:
    centred = (planes.astype(np.float64) - 128) / 64
    others = [centred[other] for other in range(3) if other != channel]
    return np.stack((np.ones_like(centred[channel]), centred[channel], *others))


def _open(wanted: NDArray[np.float32], predicted: NDArray[np.float32]) -> Mask:
    low, high = _CLIPPED
    clipped = ((wanted <= low) & (predicted <= low)) | ((wanted >= high) & (predicted >= high))
    result: Mask = ~clipped
    return result
