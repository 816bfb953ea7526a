"""How much of many cores and a fast card tagging uses, on any machine.

    python -m benchmarks.tagging_cores [--images 1500] [--rounds 3] [--cores 16] [--slower 1]

Decoding is a stand-in that sleeps as long as the real one would keep a core busy, and then makes an
array as the real one does, which holds the interpreter lock; so 16 threads of it are 16 cores, even
on a machine with two. The card is a stand-in, too: it sleeps for each batch, and longer for the
first one, as a card does that loads its kernels. Everything between is real: order, batches,
tensors, the kept scores. What is printed is images per second against the smaller of what the card
and the cores could do, and the processor time of everything that is real. On a machine that is busy
with other work, let both be slower.
"""

import argparse
import os
import platform
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import stand_in
from benchmarks.bench_prep import drain
from prep import events
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.tagging.runtime import preprocess
from prep.tagging.runtime.tagger import Tagger

_SIDE, _BATCH, _TAGS = 448, 32, 10_861
_AHEAD = (384 << 20) // (_SIDE * _SIDE * 3)
_DECODE = 0.036
"""Seconds of a core for an image of 0.3 to 2.7 MP."""
_CASES = (
    ("a fast card", 1 / 1054, 0.0),
    ("a fast card that starts slowly", 1 / 1054, 1.5),
    ("a middling card", 1 / 150, 0.0),
)
"""Name, seconds for an image, and more seconds for the first run."""


class Card(stand_in.Accelerator):
    """A card whose first run takes longer, and whose answers look like those of a tagger."""

    def __init__(self, seconds: float, first: float) -> None:
        super().__init__(_TAGS, seconds * 1000)
        self._first = first
        rng = np.random.default_rng(0)
        scores = rng.beta(0.1, 10, (_BATCH, _TAGS)).astype(np.float32)
        self._scores = np.clip(scores, 0, 1)

    def run(self, names: object, inputs: Any) -> list[Any]:
        """Sleep for each image of the batch."""
        with self._one:
            wait, self._first = self._first, 0.0
        time.sleep(wait)
        (found,) = super().run(names, inputs)
        return [self._scores[: len(found)]]


def sleeping_decoder(rng: np.random.Generator, seconds: float) -> Callable[..., Any]:
    """Return what takes the place of ``preprocess.pixels``."""
    picture = Image.effect_noise((_SIDE, _SIDE), 64).convert("RGB")

    def pixels(*_: object) -> Any:
        time.sleep(seconds * float(rng.lognormal(-0.32, 0.8)))  # of mean 1, many short, few long
        return np.asarray(picture.copy())

    return pixels


def make(folder: Path, images: int) -> Project:
    """Make a project of tiny pictures."""
    project = initialise(folder / "project")
    concept = project.dataset / "10_bench"
    concept.mkdir(parents=True)
    for number in range(images):
        color = (number % 256, number // 256, 0)
        Image.new("RGB", (8, 8), color).save(concept / f"{number:05}.bmp")
    drain(scan.run(project))
    return project


def measured(
    project: Project, model: str, card: Card, cores: int, decode: float
) -> tuple[float, float]:
    """Return images per second of a run, and milliseconds of processor time per image.

    Args:
        project: The pictures.
        model: A tagger for the contract.
        card: What runs instead of it.
        cores: Threads that decode.
        decode: Seconds for which one of them is busy with a picture.
    """
    load = Tagger.__init__

    def loaded(tagger: Tagger, *arguments: Any) -> None:
        load(tagger, *arguments)
        tagger._session, tagger.at_once, tagger.batch = card, 2, _BATCH
        tagger.ahead = _AHEAD

    from benchmarks.tagging import forget_scores

    real = preprocess.pixels
    forget_scores(project)
    options = TagOptions(model=model, device="cpu", write="none", general=1.0, threads=cores)
    Tagger.__init__ = loaded  # type: ignore[method-assign, assignment]
    preprocess.pixels = sleeping_decoder(np.random.default_rng(0), decode)
    before = resource.getrusage(resource.RUSAGE_SELF)
    try:
        found = [e for e in tag.run(project, options) if isinstance(e, events.Finished)]
    finally:
        Tagger.__init__, preprocess.pixels = load, real  # type: ignore[method-assign]
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    summary = found[0].summary
    return float(summary["images_per_second"]), spent / summary["images"] * 1000


def bench(folder: Path, options: argparse.Namespace) -> None:
    """Print everything."""
    project = make(folder, options.images)
    model = str(stand_in.make_tagger(folder / "tagger", 32, 1))
    decode = _DECODE * options.slower
    print(
        f"{options.images} images, {options.cores} cores that sleep {decode * 1000:.0f} ms an"
        f" image, batches of {_BATCH}, median of {options.rounds}\n{os.cpu_count()} real cores,"
        f" load {os.getloadavg()[0]:.1f} at the start, Python {platform.python_version()}\n"
    )
    print("                                 images/s    limit   share   CPU ms/image")
    for name, seconds, first in _CASES:
        runs = [
            measured(
                project,
                model,
                Card(seconds * options.slower, first * options.slower),
                options.cores,
                decode,
            )
            for _ in range(options.rounds)
        ]
        rate = statistics.median(rate for rate, _ in runs)
        spent = statistics.median(spent for _, spent in runs)
        limit = min(1 / seconds, options.cores / _DECODE) / options.slower
        print(f"{name:<32}{rate:>9.0f}{limit:>9.0f}{rate / limit:>8.2f}{spent:>15.1f}", flush=True)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=16)
    parser.add_argument("--slower", type=float, default=1.0)
    with tempfile.TemporaryDirectory() as folder:
        bench(Path(folder), parser.parse_args())


if __name__ == "__main__":
    main()
