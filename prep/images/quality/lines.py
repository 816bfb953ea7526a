"""Lines of components, and how surely each of them is writing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from prep.images.quality.letters import Letters, Numbers

Boxes = NDArray[np.int64]

_LETTERS = 4
"""Minimum number of letters in a line."""
_FAINTEST = 8.0
"""Levels between ink and paper that differences of levels are at least divided by."""
_LEAST_VARIETY = 0.02
"""Deviation of the ink in each ninth, as a share, below which shapes are equal."""
_TWIN = 0.09
"""Mean difference of the ink in each ninth up to which two shapes are equal."""
_FULL = 96.0
"""Levels between ink and paper from which more contrast does not make writing more likely."""


@dataclass(frozen=True)
class Lines:
    """Lines of letters of one polarity.

    Attributes:
        boxes: Shape (n, 4): left, top, right, bottom, in pixels.
        size: Shape (n,); mean height of the letters, or width if they stand one below the other.
        features: Shape (n, len(FEATURES)).
    """

    boxes: Boxes
    size: Numbers
    features: Numbers

    def __len__(self) -> int:
        return len(self.boxes)

    def turned(self) -> "Lines":
        """Return the same with x and y swapped."""
        return replace(self, boxes=self.boxes[:, [1, 0, 3, 2]])

    def enlarged(self, times: int) -> "Lines":
        """Return the same lines in a picture so many times as wide and high."""
        return replace(self, boxes=self.boxes * times, size=self.size * times)

    def joined(self, other: "Lines") -> "Lines":
        """Return these lines and the others."""
        return Lines(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.size, other.size]),
            np.concatenate([self.features, other.features]),
        )

    def beside(self, reach: float, alike: float) -> NDArray[np.bool_]:
        """Return which lines are beside each other; shape (n, n).

        Args:
            reach: Maximum distance, in heights of the smaller letters.
            alike: Maximum ratio of the heights of their letters.
        """
        first, second = self.boxes[:, None], self.boxes[None]
        apart = np.maximum(first[..., :2], second[..., :2])
        apart = apart - np.minimum(first[..., 2:], second[..., 2:])
        smaller = np.minimum(self.size[:, None], self.size[None])
        larger = np.maximum(self.size[:, None], self.size[None])
        return np.asarray((apart.max(axis=2) < reach * smaller) & (larger < alike * smaller))


FEATURES = (
    "stroke",
    "widths_differ",
    "width",
    "fill",
    "inks_differ",
    "ink_uneven",
    "paper_uneven",
    "contrast",
    "crisp",
    "shapes_differ",
    "twins",
    "slope",
)


def lines(found: Letters) -> Lines:
    """Join letters into lines from left to right, and describe each line."""
    chains = list(_chains(found))
    if not chains:
        return Lines(np.zeros((0, 4), np.int64), np.zeros(0), np.zeros((0, len(FEATURES))))
    line = _Means(chains)
    boxes = np.stack(
        [
            np.minimum.reduceat(found.left[line.members], line.starts),
            np.minimum.reduceat(found.top[line.members], line.starts),
            np.maximum.reduceat((found.left + found.width)[line.members], line.starts),
            np.maximum.reduceat((found.top + found.height)[line.members], line.starts),
        ],
        axis=1,
    )
    return Lines(boxes.astype(np.int64), line.of(found.height), _described(found, line))


class _Means:
    """Means over the letters of each line.

    Attributes:
        members: The letters, line after line.
        starts: Where each line begins in them.
        letters: How many each line has.
    """

    def __init__(self, chains: Sequence[NDArray[np.int64]]) -> None:
        counts = [len(chain) for chain in chains]
        self.members = np.concatenate(chains)
        self.starts = np.cumsum([0, *counts[:-1]])
        self.letters = np.array(counts, np.float64)

    def of(self, values: Numbers) -> Numbers:
        return np.asarray(np.add.reduceat(values[self.members], self.starts)) / self.letters

    def product(self, one: Numbers, other: Numbers) -> Numbers:
        """Return the covariance."""
        return self.of(one * other) - self.of(one) * self.of(other)

    def spread(self, values: Numbers) -> Numbers:
        """Return the standard deviation."""
        return np.sqrt(np.maximum(self.product(values, values), 0))


def _described(found: Letters, line: _Means) -> Numbers:
    """Return the features; lengths are in heights of a letter, levels in units of the contrast."""
    height, width = line.of(found.height), line.of(found.width)
    contrast = np.maximum(np.abs(line.of(found.paper) - line.of(found.ink)), _FAINTEST)
    middle = found.left + found.width / 2
    across = np.maximum(line.product(middle, middle), 1e-6)
    variety = np.mean([line.spread(zone) for zone in found.zones.T], axis=0)
    columns = {
        "stroke": np.log(line.of(found.stroke) / height),
        "widths_differ": line.spread(found.width) / width,
        "width": np.log(width / height),
        "fill": line.of(found.area / (found.width * found.height)),
        "inks_differ": line.spread(found.ink) / contrast,
        "ink_uneven": line.of(found.ink_spread) / contrast,
        "paper_uneven": line.of(found.paper_spread) / contrast,
        "contrast": np.log(np.minimum(contrast, _FULL)),
        "crisp": line.of(found.step) / contrast,
        "shapes_differ": np.log(np.maximum(variety, _LEAST_VARIETY)),
        "twins": line.of(_twins(found, line)),
        "slope": np.abs(line.product(middle, found.top + found.height) / across),
    }
    return np.stack([columns[name] for name in FEATURES], axis=1)


def _twins(found: Letters, line: _Means) -> Numbers:
    """Return 1 for letters of the same shape as the next one, or the one after that, else 0.

    Letters hardly ever are; panes, posts and rings are, also where two kinds take turns.
    """
    twins = np.zeros(len(found))
    number = np.repeat(np.arange(len(line.starts)), line.letters.astype(np.int64))
    for step in (1, 2):
        one, other = line.members[:-step], line.members[step:]
        apart = np.abs(found.zones[one] - found.zones[other]).mean(axis=1)
        height = found.height[one]
        alike = (apart < _TWIN) & (number[:-step] == number[step:])
        alike &= np.abs(found.width[one] - found.width[other]) <= 1 + 0.06 * height
        alike &= np.abs(height - found.height[other]) <= 1 + 0.06 * height
        twins[one[alike]] = 1
    return twins


def _chains(found: Letters) -> Iterator[NDArray[np.int64]]:
    """Yield the letters of each line: neighbours of similar height and stroke, close together."""
    order = np.argsort(found.left, kind="stable")
    left, top, height = found.left[order], found.top[order], found.height[order]
    right, middle, stroke = left + found.width[order], top + height / 2, found.stroke[order]
    # Only a letter that begins within a letter's height behind another can follow it.
    near = np.searchsorted(left, right + 0.9 * height) - np.arange(1, len(order) + 1)
    one = np.repeat(np.arange(len(order)), near)
    other = np.arange(len(one)) - np.repeat(np.cumsum(near) - near, near) + one + 1
    fits = np.abs(middle[other] - middle[one]) < 0.35 * height[one]
    one, other = one[fits], other[fits]
    fits = left[other] - right[one] > -0.2 * height[one]
    taller, wider = height[other] / height[one], stroke[other] / stroke[one]
    fits &= (taller > 0.55) & (taller < 1.8) & (wider > 0.5) & (wider < 2)
    after: dict[int, int] = {}
    taken = set()
    for first, second in zip(one[fits].tolist(), other[fits].tolist(), strict=True):
        if first not in after and second not in taken:
            after[first] = second
            taken.add(second)
    for start in after.keys() - taken:
        chain = [start]
        while chain[-1] in after:
            chain.append(after[chain[-1]])
        if len(chain) >= _LETTERS:
            yield order[chain]
