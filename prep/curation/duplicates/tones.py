"""Match the tones and colours of two aligned pictures, so that only their content differs.

Each channel of the target is a cubic of the same channel of the source, linear in the two others,
and cut to 0..255: that covers changes of brightness, contrast and tint, and what they clip. Fitted
by least squares with weights that fall where the pictures differ.

Saturation and hue come first, as one factor and one angle of all colour differences: in a picture
with few strong colours, the rule for each channel would hardly change those few.
"""

import numpy as np
from numpy.typing import NDArray

from prep.curation.duplicates.colours import in_colours_of

Planes = NDArray[np.float32]
"""Red, green and blue, shape (3, height, width), 0..255."""

_EVERY = 4
"""Only each fourth row and column is used."""
_ROUNDS, _SPREADS = 3, 2.5
_CLIPPED = (3.0, 252.0)
"""Levels at which a channel may have been clipped."""
_RIDGE = np.diag((1e-4, 1e-4, 3e-3, 3e-3, 1e-2, 1e-2))
"""Regularisation towards no change, so that rare colours do not get a rule of their own."""
_FEWEST = 100


def in_tones_of(source: Planes, target: Planes, inside: NDArray[np.bool_]) -> Planes:
    """Return the source in the tones and colours of the target.

    Args:
        source: The picture to change.
        target: The aligned picture to match.
        inside: Pixels that both show, shape (height, width).
    """
    few = inside[::_EVERY, ::_EVERY]
    given, wanted = (each[:, ::_EVERY, ::_EVERY][:, few] for each in (source, target))
    change_colours = in_colours_of(given, wanted)
    if change_colours is not None:
        given, source = change_colours(given), change_colours(source)
    regressors = [_regressors(given, channel) for channel in range(3)]
    weights, predicted = np.ones(given.shape[1], np.float32), wanted
    change = [np.zeros(6)] * 3
    for round_ in range(_ROUNDS):
        for channel, rows in enumerate(regressors):
            used = weights
            if round_:
                # Where the target is clipped, the source may say anything beyond.
                used = weights * _open(wanted[channel], predicted[channel])
            if used.sum() < _FEWEST:
                used = weights
            # Not by BLAS, whose threads cost more than these few numbers.
            weighted = rows * used
            square = np.einsum("in,jn->ij", weighted, rows) + used.sum() * _RIDGE
            towards = np.einsum("in,n->i", weighted, (wanted - given)[channel])
            change[channel] = np.linalg.solve(square, towards)
        predicted = np.stack(
            [
                given[c] + np.einsum("i,in->n", change[c].astype(np.float32), regressors[c])
                for c in range(3)
            ]
        )
        off = np.abs(predicted.clip(0, 255) - wanted).max(axis=0)
        spread = max(1.5, 1.5 * float(np.median(off))) * _SPREADS
        weights = (1 + (off / spread) ** 2) ** -2
    return _applied(source, change)


def _regressors(planes: Planes, channel: int) -> NDArray[np.float32]:
    centred = (planes - 128) / 64
    own = centred[channel]
    others = [centred[other] for other in range(3) if other != channel]
    return np.stack((np.ones_like(own), own, own**2, own**3, *others))


def _open(wanted: NDArray[np.float32], predicted: NDArray[np.float32]) -> NDArray[np.bool_]:
    low, high = _CLIPPED
    clipped = ((wanted <= low) & (predicted <= low)) | ((wanted >= high) & (predicted >= high))
    result: NDArray[np.bool_] = ~clipped
    return result


def _applied(source: Planes, change: list[NDArray[np.float64]]) -> Planes:
    centred = (source - 128) / 64
    result = np.empty_like(source)
    for channel, weights in enumerate(change):
        constant, first, second, third, one, two = (np.float32(weight) for weight in weights)
        own = centred[channel]
        others = [centred[other] for other in range(3) if other != channel]
        # In place, by Horner's rule: new arrays for each step would cost more than the arithmetic.
        curve = own * third
        for factor in (second, first):
            curve += factor
            curve *= own
        curve += source[channel]
        curve += constant
        for factor, other in ((one, others[0]), (two, others[1])):
            curve += factor * other
        np.clip(curve, 0, 255, out=result[channel])
    return result
