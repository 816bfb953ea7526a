"""Whether the VAE waits for pictures: filling the latent cache against the VAE's own rate.

    python -m benchmarks.encoding [--images 24]

A stand-in for a VAE on a GPU computes nothing and takes the same time for each image, in which
other threads may work, as they may while a GPU computes. "VAE" calls it alone; "ours" is
``LatentCache.fill`` over files, with checking, decoding, scaling and saving; "one by one" does the
same work in turns, without threads. All three are measured in one run, in turns. "cpu" is the
processor time of an image: a VAE that takes less than that, divided by the free cores, waits
whatever anybody does.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from train.config import TrainSettings
from train.data.dataset import TrainImage
from train.data.latents import LatentCache
from train.data.reading import read_dataset
from train.data.views import View, read_view

_TURNS = 3
_SIZES = {"1024x1024 png": ((1024, 1024), "png"), "4000x3000 jpg": ((4000, 3000), "jpg")}


class StandIn:
    """A VAE that takes ``seconds`` for each image."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return zeros in the shape of mean and deviation."""
        time.sleep(self._seconds * len(pixels))
        count, _, height, width = pixels.shape
        return torch.zeros(count, 8, height // 8, width // 8)


def pictures(folder: Path, count: int, size: tuple[int, int], suffix: str) -> list[TrainImage]:
    """Write pictures with some detail and read them as a dataset of 1024 x 1024."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        picture.save(folder / "images" / f"{number:03}.{suffix}")
    (folder / "dataset.toml").write_text(
        '[[datasets]]\nresolution = 1024\n[[datasets.subsets]]\nimage_dir = "images"\n'
        'class_tokens = "cat"\n'
    )
    return list(read_dataset(folder / "dataset.toml", TrainSettings()).images)


def ours(images: Sequence[TrainImage], vae: StandIn) -> None:
    """Fill a new cache."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in LatentCache(Path(folder), "stand-in", vae).fill(images, []):
            pass


def one_by_one(images: Sequence[TrainImage], vae: StandIn) -> None:
    """Do the same work in turns."""
    with tempfile.TemporaryDirectory() as folder:
        for number, image in enumerate(images):
            planes, _ = read_view(View(image))
            np.save(Path(folder) / f"{number}.npy", vae(torch.from_numpy(planes[None])).numpy())


def alone(images: Sequence[TrainImage], vae: StandIn) -> None:
    """Call the VAE on ready-made pixels."""
    pixels = torch.zeros(1, 3, 1024, 1024)
    for _ in images:
        vae(pixels)


def main() -> None:
    """Print images per second and the share of the VAE's own rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--files", choices=_SIZES, action="append", help="default: all kinds")
    arguments = parser.parse_args()
    count = arguments.images
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {count} images, median of {_TURNS}"
    )
    print("files          ms/image   VAE/s  ours/s  ours/VAE  one by one/VAE  cpu ms")
    for name in arguments.files or _SIZES:
        size, suffix = _SIZES[name]
        with tempfile.TemporaryDirectory() as folder:
            images = pictures(Path(folder) / "data", count, size, suffix)
            for milliseconds in (400, 200, 100):
                vae = StandIn(milliseconds / 1000)
                times: dict[str, list[float]] = {"alone": [], "ours": [], "one": []}
                spent = []
                for _ in range(_TURNS):
                    for side, work in (("alone", alone), ("ours", ours), ("one", one_by_one)):
                        began, used = time.perf_counter(), time.process_time()
                        work(images, vae)
                        times[side].append(time.perf_counter() - began)
                        spent += [time.process_time() - used] if side == "ours" else []
                bare, full, turns = (statistics.median(times[side]) for side in times)
                print(
                    f"{name}  {milliseconds:8}  {count / bare:6.2f}  {count / full:6.2f}"
                    f"  {bare / full:8.2f}  {bare / turns:14.2f}"
                    f"  {1000 * statistics.median(spent) / count:6.0f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
