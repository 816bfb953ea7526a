"""Pictures as Sixel: bands of six rows, each drawn one colour after the other.

DEC's "VT330/VT340 Programmer Reference Manual", volume 2, chapter 14. Everything that grows with
the number of pixels is done by numpy: a picture of 1000 x 800 takes a fraction of a second.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_BAND = 6
_ZERO = 63
"""``?``, the character of an empty column; others are added to it."""
_REPEATED = 4
"""Shortest run that is shorter as ``!4x`` than written out."""

_FEW = 8
"""Number of colours up to which none is set aside."""
_SAMPLE = 20_000
"""Pixels from which the palette is chosen: of all of them it would take half a second."""

Ints = NDArray[np.int64]


def encode(image: Image.Image, colours: int = 256) -> str:
    """Return the control sequence that draws an RGB picture at the cursor.

    Args:
        image: RGB.
        colours: The number of colour registers of the terminal, 2 to 256.
    """
    palette = _palette(image, colours)
    indexed = image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    numbers = np.asarray(indexed)
    rgb = np.asarray(palette.getpalette() or [], np.int64).reshape(-1, 3)
    defined = "".join(
        f"#{number};2;" + ";".join(str(part) for part in (rgb[number] * 100 + 127) // 255)
        for number in np.unique(numbers).tolist()
    )
    height, width = numbers.shape
    # P2 = 1: what no colour covers keeps what was there. "1;1: square pixels.
    return f'\x1bP0;1q"1;1;{width};{height}{defined}{_drawn(numbers)}\x1b\\'


def _palette(image: Image.Image, colours: int) -> Image.Image:
    """Choose colours; black and white are among them, for thin lines that the sample may miss."""
    extremes = [0, 0, 0, 255, 255, 255] if colours > _FEW else []
    most = colours - len(extremes) // 3
    chosen = _sampled(image).quantize(most, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    table = (chosen.getpalette() or [])[: 3 * most] + extremes
    palette = Image.new("P", (1, 1))
    # Pillow fills up with black otherwise, and uses it: a colour that there is no register for.
    palette.putpalette(table + table[:3] * (256 - len(table) // 3))
    return palette


def _sampled(image: Image.Image) -> Image.Image:
    """Return an evenly spread sample of the pixels, as a picture."""
    factor = (_SAMPLE / (image.width * image.height)) ** 0.5
    if factor >= 1:
        return image
    size = max(1, round(image.width * factor)), max(1, round(image.height * factor))
    return image.resize(size, Image.Resampling.NEAREST)


def _drawn(numbers: NDArray[np.uint8]) -> str:
    """Return the bands, colour by colour."""
    height, width = numbers.shape
    y, x = np.indices((height, width), np.int64, sparse=True)
    # One sortable number a pixel: band, colour, column, row within the band.
    keys = ((y // _BAND * 256 + numbers) * width + x) * 8 + y % _BAND
    keys = np.sort(keys, axis=None)
    cells, first = np.unique(keys >> 3, return_index=True)
    bits = np.add.reduceat(1 << (keys & 7), first)
    line, column = np.divmod(cells, width)  # a line is one colour of one band
    starts = np.flatnonzero(
        (np.diff(line, prepend=-1) != 0)
        | (np.diff(column, prepend=-2) != 1)
        | (np.diff(bits, prepend=-1) != 0)
    )
    ends = np.append(starts[1:], len(cells)) - 1
    line, left, right, bits = line[starts], column[starts], column[ends] + 1, bits[starts]
    before = np.where(np.diff(line, prepend=-1) != 0, 0, np.append(0, right[:-1]))
    text, place = _runs(
        np.stack([np.zeros_like(bits), bits], axis=1).ravel() + _ZERO,
        np.stack([left - before, right - left], axis=1).ravel(),
    )
    return _lines(line, text, place[::2])


def _runs(characters: Ints, lengths: Ints) -> tuple[str, Ints]:
    """Return the text of runs of characters, and where in it each of them starts."""
    digits = (lengths >= 10).astype(np.int64) + (lengths >= 100) + (lengths >= 1000) + 1
    sizes = np.where(lengths < _REPEATED, lengths, 2 + digits)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    made = np.repeat(characters, sizes).astype(np.uint8)
    long = lengths >= _REPEATED
    made[starts[long]] = ord("!")
    for place in range(4):
        these = long & (digits > place)
        made[ends[these] - 2 - place] = lengths[these] // 10**place % 10 + ord("0")
    return made.tobytes().decode("ascii"), starts


def _lines(line: Ints, text: str, place: Ints) -> str:
    """Join the lines: colours of a band are drawn over each other, bands below each other."""
    first = np.flatnonzero(np.diff(line, prepend=-1) != 0)
    starts = place[first].tolist()
    parts: list[str] = []
    band = 0
    for number, start, end in zip(line[first].tolist(), starts, [*starts[1:], None], strict=True):
        here, colour = divmod(number, 256)
        parts.append("-" * (here - band) if here != band else "$" if parts else "")
        parts.append(f"#{colour}{text[start:end]}")
        band = here
    return "".join(parts)
