"""How long a picture takes to be drawn for a terminal, and how true it is.

    python -m benchmarks.pictures

A photograph-like picture of 1200 x 1200 pixels, already decoded, in 80 x 40 cells of 10 x 20
pixels: scaled, and turned into text or control sequences; no colour has been met before. Pixels
are drawn beside the blocks under them. "error" is the mean distance, in levels of 0 to 255,
between the picture and what the blocks show of it.
"""

import argparse
import time

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from textual.strip import Strip

from tui.graphics.blocks import _colour
from tui.graphics.drawing import draw
from tui.terminal import Drawing, Terminal

_CELLS = (80, 40)
_CELL = (10, 20)
_BLOCKS = dict(zip(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█", range(16), strict=True))


def picture() -> Image.Image:
    """Return soft areas, edges and texture."""
    rng = np.random.default_rng(4)
    made = Image.fromarray(rng.integers(0, 256, (10, 10, 3), np.uint8))
    pixels = np.asarray(made.resize((1200, 1200), Image.Resampling.BICUBIC), np.float32)
    for side, strength in ((48, 40), (192, 15), (768, 5)):
        noise = rng.normal(0, strength, (side, side)).astype(np.float32)
        layer = Image.fromarray(noise).resize((1200, 1200), Image.Resampling.BICUBIC)
        pixels = pixels + np.asarray(layer)[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def shown(strips: list[Strip]) -> NDArray[np.float32]:
    """Return what a terminal shows of block characters, ``_CELL`` pixels a cell."""
    lines = []
    for strip in strips:
        cells = []
        for segment in strip:
            style = segment.style
            assert style is not None
            assert style.color is not None
            assert style.bgcolor is not None
            pair = np.array([style.bgcolor.get_truecolor(), style.color.get_truecolor()])
            for letter in segment.text:
                bits = _BLOCKS[letter]
                which = np.array([[bits & 1, bits >> 1 & 1], [bits >> 2 & 1, bits >> 3 & 1]])
                cells.append(np.kron(pair[which], np.ones((_CELL[1] // 2, _CELL[0] // 2, 1))))
        lines.append(np.concatenate(cells, axis=1))
    return np.concatenate(lines).astype(np.float32)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=9)
    turns = parser.parse_args().turns
    whole = picture()
    print(f"{_CELLS[0]} x {_CELLS[1]} cells, median of {turns}, CPU ms")
    print(f"{'drawn as':<10} {'ms':>6} {'kB':>6} {'error':>6}")
    kinds: tuple[Drawing, ...] = ("half", "quadrants", "sixel", "kitty")
    blocks: dict[str, float] = {}
    for kind in kinds:
        terminal, spent = Terminal(kind, _CELL), []
        for _ in range(turns):
            _colour.cache_clear()
            began = time.process_time()
            drawn = draw(whole, *_CELLS, terminal)
            spent.append((time.process_time() - began) * 1000)
        blocks[kind] = sorted(spent)[turns // 2]
        error = ""
        if drawn.graphic is None:
            seen = shown(drawn.strips)
            wanted = np.asarray(whole.resize(seen.shape[1::-1], Image.Resampling.BOX), np.float32)
            error = f"{np.abs(seen - wanted).mean():.1f}"
        size = len(drawn.graphic.data) if drawn.graphic is not None else 0
        print(f"{kind:<10} {blocks[kind]:>6.0f} {size / 1000:>6.0f} {error:>6}")
    print(f"quadrants / half: {blocks['quadrants'] / blocks['half']:.2f}")


if __name__ == "__main__":
    main()
