"""Pictures as text: each cell is an upper half block, so it shows two pixels, one above the other.

Works in every terminal with colours, in tmux, over SSH and in the browser.
"""

from functools import lru_cache

import numpy as np
from PIL import Image
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

_BLOCK = "▀"


def fitted_size(size: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """Return the (columns, pixel rows) of a picture inside a box of cells.

    A cell is about twice as high as wide, so half a cell is a square pixel.

    Example:
        >>> fitted_size((1000, 500), 40, 40), fitted_size((500, 1000), 40, 10)
        ((40, 20), (10, 20))
    """
    width, height = size
    scale = min(columns / width, rows * 2 / height)
    high = max(2, round(height * scale))
    return max(1, min(columns, round(width * scale))), min(rows * 2, high + high % 2)


def halfblocks(image: Image.Image, columns: int, rows: int) -> list[Strip]:
    """Draw an RGB image inside a box of cells.

    Args:
        image: RGB.
        columns: Cells across, at least 1.
        rows: Cells down, at least 1.

    Returns:
        One strip per row of cells; narrower or fewer than the box if the aspect ratio requires it.
    """
    size = fitted_size(image.size, columns, rows)
    small = image.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels = np.asarray(small.convert("RGB"))
    return [_strip(pixels[y], pixels[y + 1]) for y in range(0, len(pixels), 2)]


def _strip(
    upper: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]",
    lower: "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]",
) -> Strip:
    pairs = np.concatenate([upper, lower], axis=1).tolist()
    segments: list[Segment] = []
    start = 0
    for end in range(1, len(pairs) + 1):
        # Neighbours of one colour share a segment: drawings need a tenth of the bytes.
        if end == len(pairs) or pairs[end] != pairs[start]:
            segments.append(Segment(_BLOCK * (end - start), _style(tuple(pairs[start]))))
            start = end
    return Strip(segments, len(pairs))


@lru_cache(maxsize=65536)
def _style(colours: tuple[int, int, int, int, int, int]) -> Style:
    return Style(color=Color.from_rgb(*colours[:3]), bgcolor=Color.from_rgb(*colours[3:]))
