"""Whether the VAE waits for pictures: filling the latent cache against the VAE's own rate.

    python -m benchmarks.encoding [--images 24]

A stand-in for a VAE on a GPU computes nothing and takes the same time for each image, in which
other threads may work, as they may while a GPU computes. "VAE" calls it alone; "ours" is
``LatentCache.fill`` over files, with checking, decoding, scaling and saving; "one by one" does the
same work in turns, without threads. All three are measured in one run, in turns. "cpu" is the
processor time of a view: a VAE that takes less than that, divided by the free cores, waits
whatever anybody does. "caller" is the part of it in the thread that calls the VAE, in which the
VAE cannot work. "bound" is the share that both leave it on idle cores, whatever else the machine
did meanwhile.
Mirrored images are two views each, decoded once.
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
_SIZES = {
    "1024x1024 png": ((1024, 1024), "png", False),
    "4000x3000 jpg": ((4000, 3000), "jpg", False),
    "4000x3000 jpg, mirrored": ((4000, 3000), "jpg", True),
}
"""Size, format, and whether images are shown mirrored as well."""


class StandIn:
    """A VAE that takes ``seconds`` for each image."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, pixels: Tensor) -> Tensor:
        """Return zeros in the shape of mean and deviation."""
        time.sleep(self._seconds * len(pixels))
        count, _, height, width = pixels.shape
        return torch.zeros(count, 8, height // 8, width // 8)


def pictures(
    folder: Path, count: int, size: tuple[int, int], suffix: str, *, flip: bool
) -> list[TrainImage]:
    """Write pictures with some detail and read them as a dataset of 1024 x 1024."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        coarse = rng.integers(0, 256, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
        picture.save(folder / "images" / f"{number:03}.{suffix}")
    (folder / "dataset.toml").write_text(
        '[[datasets]]\nresolution = 1024\n[[datasets.subsets]]\nimage_dir = "images"\n'
        f'class_tokens = "cat"\nflip_aug = {str(flip).lower()}\n'
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
        for number, view in enumerate(views(images)):
            planes, _ = read_view(view)
            np.save(Path(folder) / f"{number}.npy", vae(torch.from_numpy(planes[None])).numpy())


def alone(images: Sequence[TrainImage], vae: StandIn) -> None:
    """Call the VAE on ready-made pixels."""
    pixels = torch.zeros(1, 3, 1024, 1024)
    for _ in views(images):
        vae(pixels)


def views(images: Sequence[TrainImage]) -> list[View]:
    """Return what the cache is to hold."""
    return [view for image in images for view in View.all_of(image)]


def compare(images: Sequence[TrainImage], seconds: float) -> str:
    """Return a line about a VAE that takes so long for a view."""
    vae, count = StandIn(seconds), len(views(images))
    times: dict[str, list[float]] = {"alone": [], "ours": [], "one": []}
    spent, caller = [], []
    for _ in range(_TURNS):
        for side, work in (("alone", alone), ("ours", ours), ("one", one_by_one)):
            began, used, own = time.perf_counter(), time.process_time(), time.thread_time()
            work(images, vae)
            times[side].append(time.perf_counter() - began)
            if side == "ours":
                spent.append((time.process_time() - used) / count)
                caller.append((time.thread_time() - own) / count)
    bare, full, turns = (statistics.median(times[side]) for side in times)
    cpu, here = statistics.median(spent), statistics.median(caller)
    bound = seconds / max(seconds + here, cpu / (os.cpu_count() or 1))
    return (
        f"{1000 * seconds:8.0f}  {count / bare:6.2f}  {count / full:6.2f}  {bare / full:8.2f}"
        f"  {bare / turns:14.2f}  {1000 * cpu:6.0f}  {1000 * here:9.1f}  {bound:5.2f}"
    )


def main() -> None:
    """Print views per second and the share of the VAE's own rate."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--files", choices=_SIZES, action="append", help="default: all kinds")
    parser.add_argument("--milliseconds", type=int, nargs="*", default=[400, 200, 100])
    arguments = parser.parse_args()
    count, load = arguments.images, os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load {load:.1f}, {count} images, median of {_TURNS}")
    head = "ms/view   VAE/s  ours/s  ours/VAE  one by one/VAE  cpu ms  caller ms  bound"
    print(f"{'files':<24}{head}")
    for name in arguments.files or _SIZES:
        size, suffix, flip = _SIZES[name]
        with tempfile.TemporaryDirectory() as folder:
            images = pictures(Path(folder) / "data", count, size, suffix, flip=flip)
            for milliseconds in arguments.milliseconds:
                print(f"{name:<24}{compare(images, milliseconds / 1000)}", flush=True)


if __name__ == "__main__":
    main()
