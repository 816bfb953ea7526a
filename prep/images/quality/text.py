"""Text in a picture: letters are components of even stroke width arranged in a line.

No model: connected components of ink in both polarities are kept if their size, fill and stroke
width are those of letters, and count only where several of about the same height are side by side
(or one below the other). After Epshtein, Ofek and Wexler, "Detecting text in natural scenes with
stroke width transform" (CVPR 2010), with the distance transform for the stroke width.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

GreyBytes = NDArray[np.uint8]
Rows = NDArray[np.int64]

_WINDOW = 25
"""Side of the neighbourhood that ink is compared with, pixels; odd."""
_INK = 18
"""Levels by which ink differs from its neighbourhood."""
_LOWEST, _HIGHEST = 6, 0.2
"""Height of a letter: minimum in pixels, maximum as a share of the shorter side."""
_LETTERS = 5
"""Minimum number of letters in a line."""


@dataclass(frozen=True)
class InkPieces:
    """Connected components of ink that may be letters; each field has shape (n,)."""

    left: Rows
    top: Rows
    width: Rows
    height: Rows

    def __len__(self) -> int:
        return len(self.left)

    def turned(self) -> "InkPieces":
        """Return the same with x and y swapped, so that columns become lines."""
        return InkPieces(self.top, self.left, self.height, self.width)


def text(grey: GreyBytes) -> float:
    """Return the share of the picture, 0 to 1, that lines of text cover.

    Args:
        grey: Shape (height, width), 0 to 255.
    """
    covered = np.zeros(grey.shape, np.uint8)
    for ink in _inks(grey):
        pieces = _letters(ink)
        for line in _lines(pieces):
            _fill(covered, pieces, line)
        turned = pieces.turned()
        for line in _lines(turned):
            _fill(covered, pieces, line)
    return float(np.count_nonzero(covered)) / grey.size


def _inks(grey: GreyBytes) -> list[GreyBytes]:
    """Return masks of what is darker, and what is lighter, than its surroundings."""
    around = cv2.blur(grey, (_WINDOW, _WINDOW))
    dark, light = cv2.subtract(around, grey), cv2.subtract(grey, around)
    return [(ink > _INK).astype(np.uint8) for ink in (dark, light)]


def _letters(ink: GreyBytes) -> InkPieces:
    """Return the components with the size, fill and stroke of letters."""
    _, labels, facts, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    left, top, width, height, area = np.asarray(facts, np.int64).T
    highest = _HIGHEST * min(ink.shape)
    fill = area / (width * height)
    kept = (height >= _LOWEST) & (height <= highest) & (width <= 1.6 * height) & (width >= 2)
    kept &= (fill > 0.18) & (fill < 0.95)
    kept[0] = False
    kept &= _even(ink, labels, len(area))
    return InkPieces(*(values[kept] for values in (left, top, width, height)))


def _even(ink: GreyBytes, labels: NDArray[np.int32], count: int) -> NDArray[np.bool_]:
    """Return whether the stroke of each piece has an even width; shape (count,)."""
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 3)
    ridge = (depth > 0) & (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)))
    where, value = labels[ridge], depth[ridge]
    number = np.maximum(np.bincount(where, minlength=count), 1)
    mean = np.bincount(where, value, minlength=count) / number
    square = np.bincount(where, value * value, minlength=count) / number
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.asarray(spread <= 0.45 * np.maximum(mean, 1e-6))


def _lines(pieces: InkPieces) -> list[list[int]]:
    """Return the pieces of each line: neighbours of similar height and baseline, close together."""
    order = np.argsort(pieces.left, kind="stable")
    left, top, height = pieces.left[order], pieces.top[order], pieces.height[order]
    right, middle = left + pieces.width[order], top + height / 2
    # Only a piece that begins within a letter's height behind another can follow it.
    until = np.searchsorted(left, right + 0.9 * height)
    follows = np.full(len(order), -1)
    taken = np.zeros(len(order), bool)
    for place in range(len(order)):
        near = slice(place + 1, until[place])
        fits = (left[near] - right[place] > -0.2 * height[place]) & ~taken[near]
        fits &= np.abs(middle[near] - middle[place]) < 0.35 * height[place]
        ratio = height[near] / height[place]
        fits &= (ratio > 0.55) & (ratio < 1.8)
        if fits.any():
            follows[place] = place + 1 + int(np.argmax(fits))
            taken[follows[place]] = True
    return [
        [int(order[place]) for place in chain]
        for chain in _chains(follows.tolist(), taken.tolist())
        if len(chain) >= _LETTERS and _lettered(pieces, order[chain])
    ]


def _chains(follows: list[int], taken: list[bool]) -> Iterator[list[int]]:
    """Yield the chains of a list with the next index for each index, or -1."""
    for start in (place for place, inside in enumerate(taken) if not inside):
        chain = [start]
        while follows[chain[-1]] >= 0:
            chain.append(follows[chain[-1]])
        yield chain


def _lettered(pieces: InkPieces, line: Rows) -> bool:
    """Return whether it looks like writing: letters differ in width, hatching and fences do not."""
    widths = pieces.width[line].astype(float)
    heights = pieces.height[line].astype(float)
    if widths.std() < 0.08 * widths.mean() or heights.std() > 0.3 * heights.mean():
        return False
    # Hatching and grass consist of tall, thin strokes.
    return bool(np.median(widths / heights) > 0.35)


def _fill(covered: GreyBytes, pieces: InkPieces, line: list[int]) -> None:
    left, top = pieces.left[line].min(), pieces.top[line].min()
    right = (pieces.left + pieces.width)[line].max()
    bottom = (pieces.top + pieces.height)[line].max()
    covered[top:bottom, left:right] = 1
