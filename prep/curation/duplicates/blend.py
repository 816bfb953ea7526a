"""The blend of one colour, or two, that explains the change of some pixels best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float32]
"""Red, green and blue of n pixels, shape (3, n)."""
Values = NDArray[np.float32]

_MOST = 6000
"""Number of pixels that colours are searched with."""
_OFF = 25.0
"""Distance from the line through a colour, levels, from which a pixel counts less."""
_ROUNDS = 4
_SECOND = 0.7
"""Residual, relative to the first colour's, below which a pixel has the second colour."""
_OPACITY = 0.9
"""Quantile of the pixels' opacities that is that of the mark: edges of strokes have less."""
_MOST_OPAQUE = 1.15
"""Opacity that a pixel may have, relative to that of the mark."""
_BETTER = 0.01


@dataclass(frozen=True)
class Blend:
    """A blend that was fitted to n pixels.

    Attributes:
        one: Share of the energy of the change that one colour explains, 0 to 1.
        two: The same for two colours.
        opacity: Opacity of the first colour.
        relative: Opacity of each pixel, relative to that of its colour, shape (n,).
        rest: Energy of the change of each pixel that is left at no more than the opacity of its
            colour, shape (n,).
        change: The change of each pixel, shape (3, n).
        full: The change of each pixel at the opacity of its colour, shape (3, n).
    """

    one: float
    two: float
    opacity: float
    relative: Values
    rest: Values
    change: Pixels
    full: Pixels

    def at_one_opacity(self, which: NDArray[np.bool_]) -> float:
        """Return the share of the energy of some pixels explained without edges of strokes."""
        change = self.change[:, which]
        off = ((change - self.full[:, which]) ** 2).sum()
        return float(1 - off / ((change**2).sum() + 1))

    def of_texture(self, which: NDArray[np.bool_]) -> float:
        """Return the share of the variation of the change explained so, -1 to 1; 0: no better."""
        change = self.change[:, which]
        off = ((change - self.full[:, which]) ** 2).sum()
        varied = ((change - change.mean(axis=1, keepdims=True)) ** 2).sum()
        return float((varied - off) / (varied + off + 1))


def explained(base: Pixels, change: Pixels) -> Blend:
    """Fit ``change = opacity * (colour - base)`` with one colour, then with two.

    Args:
        base: The pixels without the mark.
        change: What the mark adds to each of them.
    """
    few = np.linspace(0, base.shape[1] - 1, min(_MOST, base.shape[1])).astype(np.intp)
    below, by = base[:, few], change[:, few]
    energy = _energy(by)
    total = float(energy.sum()) + 1e-6
    first, one = _best(below, by, np.ones(len(few), np.float32))
    rest = _residual(below, by, first)
    weights = (2 * rest / (energy + 1e-6)).clip(0, 1)
    second, two = first, one
    if weights.sum() > 20:
        second, _ = _best(below, by, weights)
        other = _residual(below, by, second)
        two = 1 - float(np.where(other < _SECOND * rest, other, rest).sum()) / total
    return _applied(base, change, first, second, one, two)


def _applied(
    base: Pixels, change: Pixels, first: Values, second: Values, one: float, two: float
) -> Blend:
    opacity = [_opacity(base, change, colour) for colour in (first, second)]
    rest = [_residual(base, change, colour) for colour in (first, second)]
    is_second = rest[1] < _SECOND * rest[0]
    levels = [
        float(np.quantile(values[which], _OPACITY)) if which.sum() > 10 else 0.0
        for values, which in zip(opacity, (~is_second, is_second), strict=True)
    ]
    level = np.where(is_second, levels[1], levels[0]).astype(np.float32)
    mine = np.where(is_second, opacity[1], opacity[0])
    towards = np.where(is_second, second[:, None], first[:, None]) - base
    relative = (mine / np.maximum(level, 0.05)).astype(np.float32)
    left = _energy(change - np.minimum(mine, _MOST_OPAQUE * level) * towards)
    return Blend(one, two, levels[0], relative, left, change, level * towards)


def _best(base: Pixels, change: Pixels, weights: Values) -> tuple[Values, float]:
    """Return the colour that explains most of the change, and the share of it."""
    energy = _energy(change)
    strongest = np.argsort(-energy * weights)[: max(20, len(energy) // 10)]
    tried = [
        _common(base, change, weights * np.sqrt(energy)),
        (base + change)[:, strongest].mean(axis=1).clip(0, 255),
        np.full(3, 255, np.float32),
        np.zeros(3, np.float32),
    ]
    total = float((energy * weights).sum()) + 1e-6
    shares = [1 - float((_residual(base, change, c) * weights).sum()) / total for c in tried]
    best = 0
    for number, share in enumerate(shares):
        if share > shares[best] + _BETTER:
            best = number
    return tried[best], shares[best]


def _common(base: Pixels, change: Pixels, weights: Values) -> Values:
    """Return the colour nearest to all lines from the base in the direction of the change.

    If the lines are parallel, it is the opaque colour, ``base + change``, that counts.
    """
    directions = change / np.maximum(np.sqrt(_energy(change)), 1e-6)
    along = (directions * base).sum(axis=0)
    opaque, used = base + change, weights
    colour = np.zeros(3, np.float32)
    for _ in range(_ROUNDS):
        total = float(used.sum()) + 1e-6
        weighted = directions * used
        square = np.eye(3) * (1.01 * total) - weighted @ directions.T
        wanted = base @ used - weighted @ along + 0.01 * (opaque @ used)
        colour = np.linalg.solve(square, wanted).astype(np.float32).clip(0, 255)
        off = colour[:, None] - base
        off -= (off * directions).sum(axis=0) * directions
        used = weights / (1 + _energy(off) / _OFF**2) ** 2
    return colour


def _energy(pixels: Pixels) -> Values:
    result: Values = pixels[0] ** 2 + pixels[1] ** 2 + pixels[2] ** 2
    return result


def _opacity(base: Pixels, change: Pixels, colour: Values) -> Values:
    towards = colour[:, None] - base
    result: Values = ((change * towards).sum(axis=0) / (_energy(towards) + 25)).clip(0, 1)
    return result


def _residual(base: Pixels, change: Pixels, colour: Values) -> Values:
    """Return the energy that the best opacity leaves, at most that of the change."""
    off = change - _opacity(base, change, colour) * (colour[:, None] - base)
    result: Values = np.minimum(_energy(off), _energy(change))
    return result
