"""Pictures as text: block characters that show 2 or 4 pixels in each cell, in two colours.

Works in every terminal with colours, in tmux, over SSH and in the browser.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

Pixels = NDArray[np.uint8]
"""Red, green and blue, shape (height, width, 3)."""

_HALF = "▀"
_QUADRANTS = " ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█"
"""Block by the sum of its filled quadrants: 1 upper left, 2 upper right, 4 and 8 below them."""
_FILLED = np.array([[number >> place & 1 for place in range(4)] for number in range(8)], np.float32)
"""Which quadrants have the first colour, shape (8, 4); the other 8 choices are these inverted."""
_FEWER_COLOURS = np.uint8(0xFC)
"""Colours are cut to 6 bits: nobody sees it, and more neighbours share a colour."""


def halfblocks(pixels: Pixels) -> list[Strip]:
    """Draw a picture with upper half blocks: a cell shows two pixels, one above the other.

    Args:
        pixels: Two rows for each row of cells, one column for each cell.
    """
    colours = np.concatenate([pixels[0::2], pixels[1::2]], axis=2)
    return [_strip([_HALF] * len(row), row) for row in colours.tolist()]


def quadrants(pixels: Pixels) -> list[Strip]:
    """Draw a picture with quadrant blocks: a cell shows 2 x 2 pixels in two colours.

    Of all ways to divide the four pixels among two colours, that with the least squared error.

    Args:
        pixels: Two rows for each row of cells, two columns for each cell.
    """
    height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
    cells = pixels.reshape(height, 2, width, 2, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 4, 3)
    wanted = cells.astype(np.float32)
    first = _FILLED @ wanted  # sums of colours, shape (cells, 8, 3)
    second = wanted.sum(axis=1, keepdims=True) - first
    filled = _FILLED.sum(axis=1)
    # With means for colours, the error is the sum of squares minus these two: the larger, the less.
    explained = (first**2).sum(axis=2) / np.maximum(filled, 1)
    explained += (second**2).sum(axis=2) / (4 - filled)
    best = explained.argmax(axis=1)
    every = np.arange(len(best))
    count = filled[best][:, None]
    behind = second[every, best] / (4 - count)
    front = np.where(count > 0, first[every, best] / np.maximum(count, 1), behind)
    colours = np.concatenate([front, behind], axis=1).round().astype(np.uint8) & _FEWER_COLOURS
    rows = colours.reshape(height, width, 6).tolist()
    blocks = best.reshape(height, width).tolist()
    return [
        _strip([_QUADRANTS[number] for number in line], row)
        for line, row in zip(blocks, rows, strict=True)
    ]


def encode(strips: Iterable[Strip], console: Console) -> None:
    """Make the sequences of lines in this thread: their styles keep them for the event loop."""
    for strip in strips:
        strip.render(console)
    Strip.render_ansi.cache_clear()  # 16,384 styles of pictures, most of which are gone


def _strip(blocks: list[str], colours: list[list[int]]) -> Strip:
    """Return a line of cells; neighbours of the same colours share a segment."""
    segments: list[Segment] = []
    start = 0
    for end in range(1, len(blocks) + 1):
        # Drawings need a tenth of the bytes so.
        if end == len(blocks) or colours[end] != colours[start]:
            segments.append(Segment("".join(blocks[start:end]), _style(*colours[start])))
            start = end
    return Strip(segments, len(blocks))


def _style(*colours: int) -> Style:
    return Style.from_color(_colour(*colours[:3]), _colour(*colours[3:]))


@lru_cache(maxsize=4096)
def _colour(red: int, green: int, blue: int) -> Color:
    """Return a colour; pairs of them are hardly ever met again, in this picture or another.

    Whatever is kept here, each full collection of garbage goes through.
    """
    return Color.from_rgb(red, green, blue)
