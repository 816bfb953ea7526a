"""How near dataset work comes to its limits: both sides of each ratio are measured in one run.

    python -m benchmarks.bench_prep [--images 96] [--rounds 3]

The sides take turns, and the medians count. ``wall`` is ours / theirs in images per second;
``cpu`` compares images per second of processor time, which a busy machine disturbs least.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image, ImageOps

from benchmarks import corpus, stand_in
from prep import demo_world
from prep.curation.duplicates import hashes
from prep.dataset.index import Index
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system import parallel
from prep.tagging.models.obtain import find
from prep.tagging.runtime import preprocess
from prep.tagging.runtime.tagger import Tagger, score_files

Work = Callable[[], object]
Paths = Sequence[Path]
_SIDE = 448


def times(work: Work) -> tuple[float, float]:
    """Return the seconds that a run takes: on the clock, and of processor time."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def drain(stream: Iterable[object]) -> None:
    """Take everything from a generator."""
    for _ in stream:
        pass


def compare(name: str, count: int, ours: Work, limit_name: str, limit: Work, rounds: int) -> None:
    """Run both sides in turns and print images per second and their ratio."""
    taken = [(*times(ours), *times(limit)) for _ in range(rounds)]
    wall, cpu, other_wall, other_cpu = (
        count / max(statistics.median(side), 1e-6) for side in zip(*taken, strict=True)
    )
    print(
        f"{name:<26}{wall:>8.1f}   {limit_name:<36}{other_wall:>8.1f}"
        f"{wall / other_wall:>8.2f}{cpu / other_cpu:>8.2f}"
    )


def headers(paths: Paths) -> None:
    """Read size and orientation of each file with Pillow, one after another."""
    for path in paths:
        with Image.open(path) as image:
            image.getexif().get(0x0112)


def peer_hashes(paths: Paths) -> None:
    """Hash as imagehash's own examples do."""
    for path in paths:
        with Image.open(path) as image:
            imagehash.phash(image)


def padded_first(path: Path) -> Any:
    """Prepare a tagger's input as the public example does: the full white square, then resize."""
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    longest = max(image.size)
    canvas = Image.new("RGB", (longest, longest), (255, 255, 255))
    canvas.paste(image, ((longest - image.width) // 2, (longest - image.height) // 2))
    return np.asarray(canvas.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC))[:, :, ::-1]


def forget(project: Project) -> None:
    """Delete the cache."""
    for file in project.state.glob("cache.db*"):
        file.unlink()


def bench_files(project: Project, paths: Paths, rounds: int) -> None:
    """Compare scanning, hashing and the preparation of pixels."""
    count = len(paths)

    def scan_anew() -> None:
        forget(project)
        drain(scan.run(project))

    def all_headers() -> None:
        headers(paths)

    compare("scan, new", count, scan_anew, "Pillow: open, EXIF", all_headers, rounds)
    compare(
        "scan, unchanged",
        count,
        lambda: drain(scan.run(project)),
        "Pillow: open, EXIF",
        all_headers,
        rounds,
    )
    compare(
        "hash, mirror, sharpness",
        count,
        lambda: drain(parallel.ordered(hashes.perceptual_hash, paths)),
        "imagehash.phash: the hash only",
        lambda: peer_hashes(paths),
        rounds,
    )
    compare(
        "tagger input, one thread",
        count,
        lambda: [preprocess.pixels(path, preprocess.Recipe(_SIDE)) for path in paths],
        "pad first, then resize: same pixels",
        lambda: [padded_first(path) for path in paths],
        rounds,
    )
    compare(
        "tagger input, all threads",
        count,
        lambda: drain(preprocess.ahead(paths, preprocess.Recipe(_SIDE))),
        "pad first, then resize: same pixels",
        lambda: [padded_first(path) for path in paths],
        rounds,
    )


def bench_tagger(name: str, project: Project, model: str, rounds: int, count: int) -> None:
    """Compare files -> scores in the cache with the model alone on a constant picture."""
    tagger = Tagger(find(model, project.root), "cpu")
    blank = np.full((tagger.batch, tagger.side, tagger.side, 3), 127, np.uint8)
    # The stand-in's random scores would put thousands of tags over a lower threshold.
    options = TagOptions(model=model, device="cpu", write="none", general=1.0)
    tagger.scores(blank)

    def end_to_end() -> None:
        with Index(project) as index, index.connection:
            index.connection.execute("DELETE FROM scores")
            index.connection.execute("DELETE FROM scored")
        drain(tag.run(project, options))

    def alone() -> None:
        for _ in range(count // tagger.batch):
            tagger.scores(blank)

    compare(name, count, end_to_end, "onnxruntime alone, same threads", alone, rounds)


def accelerator_share(paths: Paths) -> float:
    """Return the share of the time in which a stand-in accelerator is at work."""
    tagger = Tagger(find("demo", demo_world.root()), "cpu")
    accelerator = stand_in.Accelerator(len(tagger.table))
    tagger._session = accelerator
    wall, _ = times(lambda: drain(score_files(tagger, paths, batch=4)))
    return accelerator.busy / wall


def bench(folder: Path, count: int, rounds: int) -> None:
    """Make the corpus and print all ratios."""
    project = initialise(folder / "project")
    paths = corpus.make(project.dataset / "10_bench", count)
    size = sum(path.stat().st_size for path in paths) / count / 1e6
    print(
        f"{count} images of {size:.2f} MB (JPEG, PNG, WebP; 0.3 to 2.7 MP), median of {rounds}"
        f" rounds\n{parallel.workers()} cores, load {os.getloadavg()[0]:.1f} at the start,"
        f" Python {platform.python_version()}, {platform.machine()}\n"
    )
    print(f"{'ours':<26}{'img/s':>8}   {'compared with':<36}{'img/s':>8}{'wall':>8}{'cpu':>8}")
    bench_files(project, paths, rounds)
    large = str(stand_in.make_tagger(folder / "stand-in"))
    bench_tagger("tag, demo tagger", project, "demo", rounds, count)
    bench_tagger("tag, 5 GFLOP stand-in", project, large, rounds, count)
    share = statistics.median(accelerator_share(paths) for _ in range(rounds))
    milliseconds = stand_in.ACCELERATOR_MS
    print(f"\nA stand-in accelerator of {milliseconds:g} ms/image is busy {share:.0%} of the time.")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench(Path(folder), options.images, options.rounds)


if __name__ == "__main__":
    main()
