"""Tagging from files to kept scores, beside the model alone and beside sd-scripts' way.

    python -m benchmarks.tagging [--images 48] [--rounds 3] [--large-images 8]

1. On a CPU: images per second, ours / onnxruntime alone, as it comes, on a constant picture, for
   models of about 12 and 120 GFLOP (the public WD taggers' range).
2. Processor time per image outside of the model, ours / the steps of sd-scripts' tagging script
   (its Python loop over all scores included, written here anew), with a model that answers at once.
3. How busy a card would be: a session that sleeps for each image, over mixed files.

Sides take turns, and medians count.
"""

import argparse
import os
import platform
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from onnxruntime import InferenceSession
from PIL import Image

from benchmarks import corpus, stand_in
from benchmarks.bench_prep import drain, times
from prep import events
from prep.dataset.index import Index
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system import parallel
from prep.tagging.models.obtain import find
from prep.tagging.runtime.preprocess import Decode
from prep.tagging.runtime.tagger import Tagger, score_files

Work = Callable[[], object]
_SIDE = 448
_CARDS = ((150.0, 4), (20.0, 4))
"""Milliseconds per image of a card, and images per run."""


def forget_scores(project: Project) -> None:
    """Delete all scores."""
    with Index(project) as index, index.connection:
        index.connection.execute("DELETE FROM scores")
        index.connection.execute("DELETE FROM scored")


def cpu_share(
    project: Project, model: str, count: int, rounds: int, decode: Decode
) -> tuple[float, float]:
    """Return images per second end to end, and their share of the model's own rate."""
    session = InferenceSession(find(model, project.root).model, providers=["CPUExecutionProvider"])
    blank = {session.get_inputs()[0].name: np.full((1, _SIDE, _SIDE, 3), 127, np.float32)}
    # Random scores would put thousands of tags over a lower threshold.
    options = TagOptions(model=model, device="cpu", write="none", general=1.0, decode=decode)
    session.run(None, blank)
    ours, alone = [], []
    for _ in range(rounds):
        forget_scores(project)
        ours.append(_rate(project, options))
        alone.append(count / times(lambda: [session.run(None, blank) for _ in range(count)])[0])
    rate, limit = statistics.median(ours), statistics.median(alone)
    return rate, rate / limit


def _rate(project: Project, options: TagOptions) -> float:
    """Return the images per second of a run, without loading, which the limit did before."""
    (finished,) = (e for e in tag.run(project, options) if isinstance(e, events.Finished))
    return float(finished.summary["images_per_second"])


def peer(paths: Sequence[Path], names: Sequence[str]) -> None:
    """Prepare and read scores as sd-scripts' script does, one after another."""
    scores = np.zeros(len(names), np.float32)
    for path in paths:
        with Image.open(path) as opened:
            pixels = np.array(opened.convert("RGB"))[:, :, ::-1]
        size = max(pixels.shape[:2])
        height, width = size - pixels.shape[0], size - pixels.shape[1]
        pad = ((height // 2, height - height // 2), (width // 2, width - width // 2), (0, 0))
        pixels = np.pad(pixels, pad, mode="constant", constant_values=255)
        if size > _SIDE:
            pixels = cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
        else:
            image = Image.fromarray(pixels).resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
            pixels = np.array(image)
        np.expand_dims(pixels.astype(np.float32), 0)
        ", ".join(names[n] for n, score in enumerate(scores) if n >= 4 and score >= 0.35)


class Instant:
    """A session that answers at once."""

    def __init__(self, tags: int) -> None:
        """Answer with this many zeros."""
        self._tags = tags

    def run(self, _: object, inputs: dict[str, Any]) -> list[Any]:
        """Answer."""
        (batch,) = inputs.values()
        return [np.zeros((len(batch), self._tags), np.float32)]


def with_session(
    project: Project, model: str, session: object, decode: Decode = "reference"
) -> Tagger:
    """Return the tagger with another session."""
    tagger = Tagger(find(model, project.root), "cpu", decode=decode)
    tagger._session = session
    tagger.at_once = 2  # as for a card
    return tagger


def outside_the_model(project: Project, model: str, paths: Sequence[Path], rounds: int) -> None:
    """Print the processor time per image of everything but the model."""
    sides: dict[str, Work] = {}
    table = find(model, project.root)
    names = Tagger(table, "cpu").table.names
    for decode in ("reference", "fast"):
        tagger = with_session(project, model, Instant(len(names)), decode)
        sides[f"ours, {decode}"] = lambda tagger=tagger: drain(score_files(tagger, paths))  # type: ignore[misc]
    sides["sd-scripts' way"] = lambda: peer(paths, names)
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, work in sides.items():
            taken[name].append(times(work)[1] / len(paths) * 1000)
    theirs = statistics.median(taken["sd-scripts' way"])
    print("\nprocessor time outside of the model   ms/image   x sd-scripts")
    for name, values in taken.items():
        ours = statistics.median(values)
        print(f"{name:<37}{ours:>9.1f}{ours / theirs:>15.2f}")


def cards(project: Project, model: str, paths: Sequence[Path], rounds: int) -> None:
    """Print how busy sleeping sessions are kept."""
    print("\na card of    images a run   decode        busy")
    tags = len(Tagger(find(model, project.root), "cpu").table)
    for milliseconds, batch in _CARDS:
        for decode in ("reference", "fast"):
            shares = []
            for _ in range(rounds):
                card = stand_in.Accelerator(tags, milliseconds)
                tagger = with_session(project, model, card, decode)
                files = [*paths] * (200 // len(paths) + 1)
                wall, _ = times(
                    lambda tagger=tagger, batch=batch, files=files: drain(  # type: ignore[misc]
                        score_files(tagger, files[:200], batch=batch)
                    )
                )
                shares.append(card.busy / wall)
            share = statistics.median(shares)
            print(f"{milliseconds:>5.0f} ms {batch:>13}   {decode:<10}{share:>8.0%}")


def bench(folder: Path, options: argparse.Namespace) -> None:
    """Make pictures and models, and print everything."""
    project = initialise(folder / "project")
    paths = corpus.make(project.dataset / "10_bench", options.images)
    few = initialise(folder / "few")
    corpus.make(few.dataset / "10_bench", options.large_images)
    for each in (project, few):
        drain(scan.run(each))
    print(
        f"{options.images} mixed images (0.3 to 2.7 MP), {options.large_images} for the large"
        f" model, median of {options.rounds} rounds\n{parallel.workers()} cores, load"
        f" {os.getloadavg()[0]:.1f} at the start, Python {platform.python_version()}\n"
    )
    print("model       decode        images/s   x onnxruntime alone")
    small = str(stand_in.make_tagger(folder / "small", 384, 12))
    large = str(stand_in.make_tagger(folder / "large", 1152, 14))
    decodes: tuple[Decode, ...] = ("reference", "fast")
    for where, model, count, width, blocks in (
        (project, small, options.images, 384, 12),
        (few, large, options.large_images, 1152, 14),
    ):
        cost = f"{stand_in.gigaflop(width, blocks):.0f} GFLOP"
        for decode in decodes:
            rate, share = cpu_share(where, model, count, options.rounds, decode)
            print(f"{cost:<12}{decode:<12}{rate:>10.2f}{share:>16.2f}", flush=True)
    outside_the_model(project, small, paths, options.rounds)
    cards(project, small, paths, options.rounds)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large-images", type=int, default=8)
    with tempfile.TemporaryDirectory() as folder:
        bench(Path(folder), parser.parse_args())


if __name__ == "__main__":
    main()
