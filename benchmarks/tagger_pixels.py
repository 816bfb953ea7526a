"""What ``--decode fast`` changes, and what it saves.

    python -m benchmarks.tagger_pixels [--images 200]

Drawings of the demo world, which the demo tagger was trained for, in large sizes and as files of
three formats. Differences are to ``reference``: grey levels of 255, scores of all tags, and how
many tags a threshold of 0.35 gives to one side only. For comparison, the same for saving the
drawing as JPEG of quality 90 once more.
"""

import argparse
import io
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from prep import images
from prep.tagging.models.obtain import find
from prep.tagging.models.records import WD
from prep.tagging.runtime.preprocess import Recipe, pixels
from prep.tagging.runtime.tagger import Tagger
from sample_data.make import world

_SIDES = (600, 900, 1400, 2000, 3000)
_FORMATS = ("jpg", "png", "webp")
_THRESHOLD = 0.35
Pixels = NDArray[np.uint8]


def drawings(folder: Path, count: int) -> list[Path]:
    """Save scenes as files of mixed sizes and formats."""
    rng, paths = random.Random(3), []
    for number in range(count):
        side = _SIDES[number % len(_SIDES)]
        across, down = rng.choice(((1.0, 1.0), (1.0, 0.75), (0.66, 1.0)))
        image = world.draw(world.sample_scene(rng), (int(side * across), int(side * down)))
        paths.append(folder / f"{number:04}.{_FORMATS[number % 3]}")
        image.save(paths[-1], quality=90)
    return paths


def again(path: Path, folder: Path) -> Path:
    """Save the picture as JPEG once more."""
    target = folder / f"again-{path.stem}.jpg"
    data = io.BytesIO()
    images.decode(path).save(data, "JPEG", quality=90)
    target.write_bytes(data.getvalue())
    return target


def timed(work: Callable[[Path], Pixels], paths: Sequence[Path]) -> tuple[list[Pixels], float]:
    """Return what the work gives for each path, and its processor time in ms per path."""
    start = time.process_time()
    found = [work(path) for path in paths]
    return found, (time.process_time() - start) / len(paths) * 1000


def tell(name: str, exact: Sequence[Pixels], other: Sequence[Pixels], tagger: Tagger) -> None:
    """Print one line of differences."""
    apart = [np.abs(a.astype(int) - b) for a, b in zip(exact, other, strict=True)]
    means = [d.mean() for d in apart]
    line = f"{name:<34}{np.mean(means):>7.2f}{max(means):>7.2f}"
    first, second = (
        np.concatenate([tagger.scores(one[None]) for one in some]) for some in (exact, other)
    )
    moved = np.abs(first - second)
    changed = (first >= _THRESHOLD) != (second >= _THRESHOLD)
    share = changed.sum() / max(1, (first >= _THRESHOLD).sum())
    line += f"{moved.mean():>10.5f}{moved.max():>8.3f}{changed.sum():>7}{share:>8.2%}"
    print(line)


def bench(folder: Path, count: int) -> None:
    """Draw, and compare."""
    tagger = Tagger(find("demo", folder), "cpu", threads=1)
    exact_way, fast_way = Recipe(tagger.side), Recipe(tagger.side, WD, "fast")
    print(f"{'':<34}{'grey levels':>14}{'scores':>18}{'tags':>15}")
    print(f"{'':<34}{'mean':>7}{'worst':>7}{'mean':>10}{'worst':>8}{'other':>7}{'share':>8}")
    paths = drawings(folder, count)
    groups = {
        f"drawings, {ending}": [p for p in paths if p.suffix[1:] == ending] for ending in _FORMATS
    }
    cost: dict[str, tuple[float, float]] = {}
    for name, group in groups.items():
        exact, slow = timed(lambda path: pixels(path, exact_way), group)
        fast, quick = timed(lambda path: pixels(path, fast_way), group)
        cost[name] = slow, quick
        tell(name, exact, fast, tagger)
    exact = [pixels(path, exact_way) for path in paths]
    tell(
        "saved as JPEG once more",
        exact,
        [pixels(again(p, folder), exact_way) for p in paths],
        tagger,
    )
    print(f"\n{'ms of processor time an image':<34}{'reference':>14}{'fast':>10}{'ratio':>8}")
    for name, (slow, quick) in cost.items():
        print(f"{name:<34}{slow:>14.1f}{quick:>10.1f}{quick / slow:>8.2f}")


def main() -> None:
    """Parse the arguments and run."""
    Image.MAX_IMAGE_PIXELS = None
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench(Path(folder), options.images)


if __name__ == "__main__":
    main()
