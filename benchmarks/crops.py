"""Crops: what an exported picture costs and how true it is; whether a subject is kept.

    python -m benchmarks.crops [--images 24] [--rounds 3]

1. From file to file, lossless: ours against what sd-scripts does to load, resize and trim, with
   Pillow's default PNG as its writer. The sides take turns, on one core, and the medians count.
   PSNR (dB) is that of our pixels to Pillow's Lanczos filter at the same size, for pictures that
   are made smaller (when made larger, it is that filter on both sides).
2. Drawn figures at random places of wide and tall pictures, cut to a bucket's shape: the share of
   the figure that is kept, in the middle and where ``prep.images.crops.subject`` looks.
"""

import argparse
import io
import math
import os
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks import corpus
from prep.images import decode
from prep.images.buckets import Buckets, Fit, Size
from prep.images.crops import Rect
from prep.images.crops.snapping import centre, largest, placed
from prep.images.crops.subject import find_saliency
from prep.images.pixels import Pixels, fitted
from prep.training_set import Format, encode
from sample_data.make import world
from sample_data.make.backgrounds import BACKGROUNDS, Canvas

_BUCKETS = Buckets((1024, 1024), 64, 512, 2048)
_SHAPES: tuple[Size, ...] = ((1024, 1024), (832, 1216), (1216, 832))
_PICTURES: tuple[Size, ...] = ((768, 384), (900, 400), (640, 360), (384, 768))


def reference(path: Path) -> tuple[Pixels, Fit]:
    """Load, scale and trim as sd-scripts does."""
    with Image.open(path) as image:
        pixels = np.array(image.convert("RGB"), np.uint8)
    fit = _BUCKETS.fit((pixels.shape[1], pixels.shape[0]))
    if fit.upscaled:
        pixels = np.array(Image.fromarray(pixels).resize(fit.resized, Image.Resampling.LANCZOS))
    elif fit.resized != (pixels.shape[1], pixels.shape[0]):
        shrunk = cv2.resize(pixels, fit.resized, interpolation=cv2.INTER_AREA)
        pixels = np.asarray(shrunk, np.uint8)
    return _trimmed(pixels, fit), fit


def _trimmed(pixels: Pixels, fit: Fit) -> Pixels:
    width, height = fit.bucket
    return pixels[fit.top : fit.top + height, fit.left : fit.left + width]


def peer(path: Path) -> bytes:
    """Write what ``reference`` made with Pillow's default PNG."""
    buffer = io.BytesIO()
    Image.fromarray(reference(path)[0]).save(buffer, "PNG")
    return buffer.getvalue()


def ours(path: Path, image_format: Format) -> bytes:
    """Do what an export does for one picture."""
    picture = decode(path)
    return encode(fitted(picture, _BUCKETS.fit(picture.size)), image_format)


def psnr(path: Path) -> float | None:
    """Return how near our pixels are to Pillow's Lanczos filter, dB; None when not made smaller."""
    picture = decode(path)
    fit = _BUCKETS.fit(picture.size)
    if fit.scale >= 1:
        return None
    true = _trimmed(np.asarray(picture.resize(fit.resized, Image.Resampling.LANCZOS)), fit)
    error = float(np.mean((true.astype(np.float64) - fitted(picture, fit)) ** 2))
    return 10 * math.log10(255**2 / max(error, 1e-9))


@dataclass
class Cost:
    """Seconds of processor time and bytes for all files, per round."""

    seconds: list[float]
    size: int = 0

    def measure(self, work: Callable[[Path], bytes], paths: Iterable[Path]) -> None:
        """Do all files once."""
        start = time.process_time()
        self.size = sum(len(work(path)) for path in paths)
        self.seconds.append(time.process_time() - start)


def photograph(number: int) -> Image.Image:
    """Draw a soft, noisy picture, as a camera leaves it: many scales, no hard edge."""
    rng = np.random.default_rng(number)
    width, height = corpus.SIZES[number % len(corpus.SIZES)]
    total = np.zeros((height, width, 3))
    for step in (4, 8, 16, 32, 64, 128, 256):
        grid = rng.normal(0, 60 / step**0.5, (step * height // width + 2, step, 3))
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = rng.normal(0, 1.5, (height, width, 3))
    return Image.fromarray(np.uint8(np.clip(total + noise + 128, 0, 255)))


def files(folder: Path, count: int) -> dict[str, list[Path]]:
    """Make the pictures: shapes on gradients, scenes of the demo world, soft photographs."""
    made = {"shapes": corpus.make(folder / "shapes", count)}
    rng = random.Random(1)
    kinds: dict[str, Callable[[int], Image.Image]] = {
        "drawings": lambda number: world.draw(
            world.sample_scene(rng), corpus.SIZES[number % len(corpus.SIZES)]
        ),
        "photographs": photograph,
    }
    for kind, draw in kinds.items():
        (folder / kind).mkdir()
        made[kind] = []
        for number in range(count):
            suffix = corpus.FORMATS[number % len(corpus.FORMATS)]
            made[kind].append(folder / kind / f"{number:05}.{suffix}")
            draw(number).save(made[kind][-1], quality=92)
    return made


def bench_writing(folder: Path, count: int, rounds: int) -> None:
    """Print cost and truth of both formats, for each kind of picture."""
    cv2.setNumThreads(1)
    print(f"file to lossless file, {count} pictures of each kind, buckets of 1 MP, processor time")
    print(f"{'':14}{'sd-scripts + PNG':>18}{'WebP':>10}{'':>8}{'PNG':>10}{'':>8}{'PSNR dB':>16}")
    print(f"{'':14}{'ms':>9}{'MB':>9}{'ms':>6}{'MB':>6}{'x':>6}", end="")
    print(f"{'ms':>6}{'MB':>6}{'x':>6}{'mean':>9}{'least':>7}")
    totals: dict[str, float] = defaultdict(float)
    for kind, paths in files(folder, count).items():
        ways: dict[str, Callable[[Path], bytes]] = {
            "peer": peer,
            "webp": partial(ours, image_format="webp"),
            "png": partial(ours, image_format="png"),
        }
        costs = {name: Cost([]) for name in ways}
        for _ in range(rounds):
            for name, way in ways.items():
                costs[name].measure(way, paths)
        taken = {name: statistics.median(c.seconds) / count * 1e3 for name, c in costs.items()}
        sizes = {name: cost.size / count / 1e6 for name, cost in costs.items()}
        print(f"{kind:14}{taken['peer']:>9.0f}{sizes['peer']:>9.2f}", end="")
        for name in ("webp", "png"):
            ratio = taken["peer"] / taken[name]
            print(f"{taken[name]:>6.0f}{sizes[name]:>6.2f}{ratio:>6.1f}", end="")
        near = [decibels for path in paths if (decibels := psnr(path))]
        print(f"{statistics.mean(near):>9.1f}{min(near):>7.1f}")
        for name, milliseconds in taken.items():
            totals[name] += milliseconds
    webp, png = (totals["peer"] / totals[name] for name in ("webp", "png"))
    print(f"all together: WebP {webp:.1f}x, PNG {png:.1f}x as fast")


def placed_figures(count: int) -> Iterable[tuple[Image.Image, Rect]]:
    """Yield pictures with a figure somewhere, and where it is."""
    rng = random.Random(5)
    for _ in range(count):
        scene = world.sample_scene(rng)
        size = rng.choice(_PICTURES)
        image = Image.new("RGB", size)
        BACKGROUNDS[scene.background].paint(Canvas(image, random.Random(scene.seed)))
        side = int(min(size) * rng.uniform(0.5, 0.95))
        figure = world.draw_cutout(scene, (side, side))
        box = figure.getchannel("A").point(lambda value: 255 if value > 40 else 0).getbbox()
        left, top = rng.randint(0, size[0] - side), rng.randint(0, size[1] - side)
        image.paste(figure, (left, top), figure)
        if box:
            yield image, Rect(left + box[0], top + box[1], left + box[2], top + box[3])


def kept(crop: Rect, figure: Rect) -> float:
    """Return the share of a figure that a crop holds."""
    across = min(crop.right, figure.right) - max(crop.left, figure.left)
    down = min(crop.bottom, figure.bottom) - max(crop.top, figure.top)
    return max(0, across) * max(0, down) / (figure.size[0] * figure.size[1])


def bench_subjects(count: int) -> None:
    """Print how much of the figures is kept."""
    found: dict[str, list[float]] = {"middle": [], "subject": [], "close": []}
    areas, seconds = [], 0.0
    for image, figure in placed_figures(count):
        start = time.process_time()
        seen = find_saliency(image)
        seconds += time.process_time() - start
        whole, near = Rect(0, 0, *image.size), seen.close()
        found["close"].append(kept(near, figure))
        areas.append(near.size[0] * near.size[1] / (image.width * image.height))
        for shape in _SHAPES:
            size = largest(_BUCKETS, shape, image.size)
            found["middle"].append(kept(placed(size, centre(whole), whole), figure))
            found["subject"].append(kept(seen.place(size), figure))
    print(f"\n{count} figures at random places, cut to 1:1, 2:3 and 3:2: share that is kept")
    print(f"{'':10}{'mean':>8}{'worst tenth':>13}{'whole (>98 %)':>15}")
    for name, shares in found.items():
        worst = statistics.mean(sorted(shares)[: max(1, len(shares) // 10)])
        whole_share = statistics.mean(share > 0.98 for share in shares)
        print(f"{name:10}{statistics.mean(shares):>8.3f}{worst:>13.3f}{whole_share:>15.0%}")
    print(f"close crops keep {statistics.mean(areas):.0%} of the area; a look", end=" ")
    print(f"takes {seconds / count * 1e3:.1f} ms")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figures", type=int, default=100)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start")
    with tempfile.TemporaryDirectory() as folder:
        bench_writing(Path(folder), options.images, options.rounds)
    bench_subjects(options.figures)


if __name__ == "__main__":
    main()
