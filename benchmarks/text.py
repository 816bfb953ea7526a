"""Does `shikomi quality` see text, and only where there is some?

Run: python -m benchmarks.text FOLDER [--resolution 512] [--times 40]

FOLDER holds ``clean/GROUP/`` (pictures without text), ``real/KIND/`` (pictures with text, may be
missing) and ``fonts/{latin,cjk,hand,comic}/``. Writes the kinds of `benchmarks/writing.py` into
clean pictures, and prints which share of the clean ones, and of flat drawings of what stands in
rows (`benchmarks/patterns.py`), is reported at the default threshold, which share of the others,
and the processor time.
"""

import argparse
import random
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.patterns import drawing
from benchmarks.writing import KINDS, Writer
from prep.images import decode, is_image_name
from prep.images.quality.text import text
from prep.images.quality.thresholds import QualitySection

_LIMIT = QualitySection().text
_PATTERNS = range(1000, 1150)
"""Seeds of the drawings; the weights were fitted with those of 0 to 149."""


def scaled(image: Image.Image, side: int) -> Image.Image:
    """Scale to the area of a square of that side."""
    factor = side / (image.width * image.height) ** 0.5
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def grey(image: Image.Image, side: int) -> NDArray[np.uint8]:
    """Return its grey levels at the training size."""
    return np.asarray(scaled(image, side).convert("L"))


def pictures(folder: Path) -> dict[str, list[Path]]:
    """Return the pictures of each subfolder."""
    return {
        group.name: sorted(file for file in group.rglob("*") if is_image_name(file.name))
        for group in sorted(folder.glob("*/"))
    }


def written(folder: Path, times: int) -> Iterator[tuple[str, Image.Image]]:
    """Yield kind and picture; each kind in so many clean pictures."""
    fonts = {part.name: sorted(part.iterdir()) for part in (folder / "fonts").iterdir()}
    files = [file for group in pictures(folder / "clean").values() for file in group]
    rng = random.Random(zlib.crc32(folder.name.encode()))
    for kind, write in KINDS.items():
        for file in rng.sample(files, min(times, len(files))):
            image = scaled(decode(file), 1024)
            write(image, Writer(fonts, random.Random(rng.random())))
            yield kind, image


def report(folder: Path, side: int, times: int) -> None:
    """Print the shares of clean pictures and of pictures with text that are reported."""
    spent, measured = 0.0, 0

    def value(image: Image.Image) -> float:
        nonlocal spent, measured
        levels = grey(image, side)
        began = time.process_time()
        share = text(levels)
        spent += time.process_time() - began
        measured += 1
        return share

    clean = {
        group: [value(decode(file)) for file in files]
        for group, files in pictures(folder / "clean").items()
    }
    clean["patterns, drawn"] = [value(drawing(seed)) for seed in _PATTERNS]
    print(f"at {side}: clean pictures reported")
    everything = [value for values in clean.values() for value in values]
    for group, values in [*clean.items(), ("all", everything)]:
        print(f"  {group:<24} {_over(values)} of {len(values)}, maximum {max(values):.1%}")
    print(f"pictures with text reported (covered by over {_LIMIT:.0%}), and covered at all (0.5 %)")
    kinds: dict[str, list[float]] = {}
    for kind, image in written(folder, times):
        kinds.setdefault(kind, []).append(value(image))
    for kind, files in pictures(folder / "real").items():
        kinds[f"{kind} (real)"] = [value(decode(file)) for file in files]
    for kind, values in kinds.items():
        least = np.mean(np.array(values) > 0.005)
        print(f"  {kind:<24} {_over(values) / len(values):>5.0%} {least:>5.0%} of {len(values)}")
    print(f"processor time of the measure: {1000 * spent / measured:.0f} ms a picture")


def _over(values: list[float]) -> int:
    return sum(value > _LIMIT for value in values)


def main() -> None:
    """Report at each resolution."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--resolution", type=int, nargs="+", default=[512])
    parser.add_argument("--times", type=int, default=40)
    given = parser.parse_args()
    for side in given.resolution:
        report(given.folder, side, given.times)


if __name__ == "__main__":
    main()
