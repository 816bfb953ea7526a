"""Repeats with which every concept is shown about equally often."""

import math
from collections.abc import Iterator, Sequence

_LEEWAY = 1.25
"""Maximum factor by which exposures per epoch may change, so that runs stay about as long."""
_AS_GOOD = 1.05
"""Among choices within this factor of the most even one, the nearest to the current one wins."""


def unevenness(exposures: Sequence[int], weights: Sequence[float]) -> float:
    """Return the largest ratio between concepts of exposures per weight.

    Example:
        >>> unevenness([200, 100], [1, 1]), unevenness([200, 100], [2, 1])
        (2.0, 1.0)
    """
    shares = [count / weight for count, weight in zip(exposures, weights, strict=True)]
    return max(shares) / min(shares)


def balanced(
    images: Sequence[int], repeats: Sequence[int], weights: Sequence[float] | None = None
) -> list[int]:
    """Propose repeats, at least 1 each, that make the exposures of the concepts even.

    Exposures per epoch stay within a quarter of the current ones if that can be even at all; a
    concept with very many images otherwise sets the level: it is shown once, the others catch up.

    Args:
        images: Images of each concept that are trained on, each at least 1.
        repeats: Current repeats.
        weights: How often each concept should be shown, relative to the others; equal by default.

    Returns:
        Repeats, one per concept.

    Example:
        >>> balanced([40, 8], [10, 10])
        [6, 30]
    """
    wanted = list(weights or [1.0] * len(images))
    if len(images) < 2:
        return list(repeats)
    now = _total(images, repeats)
    slowest = max(count / weight for count, weight in zip(images, wanted, strict=True))
    most = max(_LEEWAY * now, 1.1 * slowest * sum(wanted))
    least = now / _LEEWAY
    candidates = [c for c in _choices(images, wanted, most) if least <= _total(images, c) <= most]
    candidates.append(list(repeats))

    def uneven(choice: Sequence[int]) -> float:
        return unevenness([n * r for n, r in zip(images, choice, strict=True)], wanted)

    best = min(map(uneven, candidates))
    good = [choice for choice in candidates if uneven(choice) <= _AS_GOOD * best]
    return min(good, key=lambda choice: (abs(math.log(_total(images, choice) / now)), choice))


def _total(images: Sequence[int], repeats: Sequence[int]) -> int:
    return sum(count * times for count, times in zip(images, repeats, strict=True))


def _choices(images: Sequence[int], weights: Sequence[float], most: float) -> Iterator[list[int]]:
    """Yield, in ascending order, the repeats that come closest to equal exposures.

    With a goal of ``level`` exposures per unit of weight, a concept is repeated
    level x weight / images times, rounded; the levels where one of them changes are visited.
    """
    repeats = [1] * len(images)
    while _total(images, repeats) <= most:
        yield list(repeats)
        # The level at which each concept would be rounded up to one repeat more.
        levels = [(r + 0.5) * n / w for r, n, w in zip(repeats, images, weights, strict=True)]
        repeats[levels.index(min(levels))] += 1
