"""Duplicates: what is found of what was planted, and how fast hashes and pairs are.

    python -m benchmarks.duplicates [--scenes 40] [--every 1] [--images 96] [--rounds 3] [--large]

Needs the photographs of scikit-image (``pip install scikit-image scikit-learn``); compares pair
search with imagededup and faiss where they are installed. Times are of processor time, of this
process and its children; both sides of a ratio run in turns, and the medians count.

The constants of ``similarity.py`` in ``prep/curation/duplicates`` were chosen on seed 1 of an
earlier ``planted.py`` with fixed edits; other seeds cut the photographs elsewhere, draw other
scenes and edit by other amounts. What nothing was chosen on is in ``benchmarks.foreign``.
"""

import argparse
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import corpus, planted
from benchmarks.bench_prep import drain
from prep import events
from prep.curation.duplicates import hashes
from prep.curation.duplicates.pairs import close_pairs
from prep.ops import dupes, scan
from prep.ops.dupes import DupesOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system import parallel

RADIUS = 8
PARTS = ("planted", "crops", "hashes", "pairs")
TURNED = {"mirrored", "turned 90", "turned 180", "mirrored and turned"}
NOT_ASKED = {"watermark, middle", "grey", "warmer or colder", "paler", "hue, up to 25"}
"""Beyond the edits of the goal: shown, and left out of its mean."""


def cpu() -> float:
    """Return seconds of processor time of this process and its children."""
    mine, children = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return mine.ru_utime + mine.ru_stime + children.ru_utime + children.ru_stime


def taken(work: Callable[[], object]) -> float:
    """Return the seconds of processor time that a run takes."""
    begin = cpu()
    work()
    return cpu() - begin


def in_turns(
    ours: Callable[[], object], other: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Return the median times of both."""
    times = [(taken(ours), taken(other)) for _ in range(rounds)]
    return statistics.median(t for t, _ in times), statistics.median(t for _, t in times)


# ---- what is found ---------------------------------------------------------------------------


def bench_planted(folder: Path, scenes: int, seed: int, every: int) -> None:
    """Plant, search, and print recall by edit and precision of all pairs."""
    project = initialise(folder / "planted")
    files = planted.make(project.dataset / "10_planted", scenes, seed, every)
    drain(scan.run(project))
    begin = cpu()
    pairs = list(found_pairs(project, DupesOptions()))
    seconds = cpu() - begin
    by_name = {file.name: file for file in files}
    right = [by_name[a].picture == by_name[b].picture for a, b in pairs]
    found = {name for pair, good in zip(pairs, right, strict=True) if good for name in pair}
    pictures = sum(file.edit == "original" for file in files)
    variants = sum(file.edit == "variant" for file in files)
    print(f"{len(files)} files: {pictures} pictures with copies, {variants} variants of drawings")
    by_edit: dict[str, list[bool]] = defaultdict(list)
    for file in files:
        if file.edit not in ("original", "variant"):
            by_edit[file.edit].append(file.name in found)
    for name, hits in by_edit.items():
        mark = "*" if name in NOT_ASKED else ""
        print(f"  {name + mark:<24}{sum(hits):>5} of {len(hits):<5} recall {np.mean(hits):.3f}")
    asked = [hit for n, h in by_edit.items() if n not in NOT_ASKED | TURNED for hit in h]
    print(f"recall, all but turned and *:  {np.mean(asked):.3f}")
    print(f"recall, mirrored and turned:   {np.mean([h for n in TURNED for h in by_edit[n]]):.3f}")
    wrong = [pair for pair, good in zip(pairs, right, strict=True) if not good]
    taken_for_copies = sum(
        by_name[a].edit == "variant" or by_name[b].edit == "variant" for a, b in wrong
    )
    print(f"precision of {len(pairs)} pairs:     {np.mean(right):.4f}")
    print(f"variants taken for copies:     {taken_for_copies} of {variants}")
    again = taken(lambda: drain(found_pairs(project, DupesOptions())))
    print(f"CPU seconds: {seconds:.1f}, a second time {again:.1f} (nothing is looked at again)\n")


def found_pairs(project: Project, options: DupesOptions) -> Iterator[tuple[str, str]]:
    """Yield the names of kept images and their duplicates."""
    for event in dupes.run(project, options):
        if isinstance(event, events.Group) and event.reason not in ("variant", "crop", "uncertain"):
            keep = Path(event.keep).name
            yield from ((keep, Path(p).name) for p in event.images if p != event.keep)


def bench_crops(folder: Path, seed: int) -> None:
    """Cut two crops of every photograph and see which families are found."""
    project = initialise(folder / "crops")
    wanted = planted.cut(project.dataset / "10_crops", seed)
    drain(scan.run(project))
    right, wrong = set(), 0
    for event in dupes.run(project, DupesOptions(crops=True)):
        if isinstance(event, events.Group) and event.reason == "crop":
            names = [Path(path).name for path in event.images]
            wrong += sum(name[:4] != names[0][:4] for name in names[1:])
            right |= {name for name in names if name in wanted and name[:4] == names[0][:4]}
    print(f"crops (12 to 80 % of the area, half of them enlarged): {len(right)} of {len(wanted)}"
          f" found, {wrong} wrong\n")  # fmt: skip


# ---- hashes ----------------------------------------------------------------------------------


def peer_hash(path: Path) -> None:
    """Hash as imagehash's own examples do."""
    with Image.open(path) as image:
        imagehash.phash(image)


def megapixels(path: Path) -> float:
    """Return the size of a picture."""
    with Image.open(path) as image:
        return image.width * image.height / 1e6


def hash_all(hash_: Callable[[Path], object], paths: Sequence[Path]) -> Callable[[], object]:
    """Return the work of hashing files one after another, on one core."""
    return lambda: [hash_(path) for path in paths]


def bench_hashes(folder: Path, count: int, rounds: int) -> None:
    """Compare hashing with imagehash's own example: open, phash."""
    mixed = corpus.make(folder / "mixed", count)
    jpeg = [path for path in mixed if path.suffix == ".jpg"]
    large = [path for path in jpeg if megapixels(path) > 1.4]
    for name, paths in (("mixed", mixed), ("JPEG", jpeg), ("JPEG, 1.4 to 2.7 MP", large)):
        ours, theirs = in_turns(
            hash_all(hashes.perceptual_hash, paths), hash_all(peer_hash, paths), rounds
        )
        rate = len(paths) / ours
        print(f"hashes, {name:<20} {rate:>7.1f} img/s of CPU   imagehash.phash"
              f" {len(paths) / theirs:>7.1f}   ratio {theirs / ours:.2f}")  # fmt: skip
    print("(one core each; ours: hashes of four turns and the sharpness, EXIF applied)\n")


# ---- pairs -----------------------------------------------------------------------------------


def random_hashes(count: int, seed: int = 0) -> NDArray[np.uint64]:
    """Return random hashes, of which a tenth is up to six bits away from another."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**64, count, np.uint64)
    near = count // 10
    flips = np.uint64(1) << rng.integers(0, 64, (near, 6)).astype(np.uint64)
    values[:near] = values[near : 2 * near] ^ np.bitwise_or.reduce(flips, axis=1)
    return values


def count_pairs(values: NDArray[np.uint64]) -> int:
    """Count our pairs."""
    return sum(len(block.bits) for block in close_pairs(values, RADIUS))


def faiss_pairs(values: NDArray[np.uint64]) -> int | None:
    """Count the pairs of faiss' exact search, ``None`` when it is not installed."""
    try:
        import faiss  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        return None
    faiss.omp_set_num_threads(1)
    index = faiss.IndexBinaryFlat(64)
    codes = values.view(np.uint8).reshape(-1, 8)
    index.add(codes)
    limits, _, _ = index.range_search(codes, RADIUS + 1)
    return (int(limits[-1]) - len(values)) // 2


def imagededup_pairs(values: NDArray[np.uint64]) -> int | None:
    """Count the pairs of imagededup's compiled brute force, ``None`` when it is not installed."""
    try:
        from imagededup.handlers.search.brute_force_cython import (  # type: ignore[import-not-found,import-untyped,unused-ignore]
            BruteForceCython,
        )
    except Exception:  # one of its many requirements may be missing
        return None
    encodings = {str(place): f"{int(value):016x}" for place, value in enumerate(values)}

    def bits(first: str, second: str) -> int:
        return (int(first, 16) ^ int(second, 16)).bit_count()

    search = BruteForceCython(encodings, bits)
    found = 0
    for value in encodings.values():
        found += len(search.search(query=value, tol=RADIUS)) - 1
    return found // 2


def bench_pairs(rounds: int, large: bool) -> None:
    """Compare the search for all pairs within 8 bits."""
    compare_pairs(10_000, "imagededup, brute force", imagededup_pairs, rounds)
    compare_pairs(100_000, "faiss IndexBinaryFlat", faiss_pairs, rounds)
    measured(1_000_000)
    flat(1_000_000)
    if large:
        measured(4_000_000)


def compare_pairs(
    count: int, name: str, peer: Callable[[NDArray[np.uint64]], int | None], rounds: int
) -> None:
    """Time both sides on the same hashes; the peer once, since it takes long."""
    values = random_hashes(count)
    begin = cpu()
    found = peer(values)
    theirs = cpu() - begin
    ours = statistics.median(taken(lambda: count_pairs(values)) for _ in range(rounds))
    line = f"pairs of {count:>9,}   {ours:8.3f} s CPU, {count_pairs(values)} pairs"
    if found is None:
        print(f"{line}   {name}: not installed (pip install faiss-cpu imagededup)")
    else:
        print(f"{line}   {name}: {theirs:.3f} s, {found} pairs, ratio {theirs / ours:.0f}")


def measured(count: int) -> None:
    """Search in a process of its own and print its time and peak memory."""
    done = json.loads(
        subprocess.run(
            [sys.executable, "-m", "benchmarks.duplicates", "--only-pairs", str(count)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )
    print(f"pairs of {count:>9,}   {done['seconds']:8.1f} s CPU, {done['pairs']} pairs,"
          f" peak {done['peak']:.0f} MB in all, {done['before']:.0f} MB before")  # fmt: skip


def flat(count: int) -> None:
    """Time the worst case: all hashes equal, as those of blank pages are."""
    from prep.curation.duplicates.neighbours import Neighbours

    values = np.zeros((4, count), np.uint64)
    seconds = taken(lambda: Neighbours(values, 12, (0, 1)).doubtful())
    print(f"{count:,} equal hashes:  {seconds:.2f} s CPU until each knows its candidates\n")


def peak_memory() -> float:
    """Return the most memory that this process has held, MB.

    ``ru_maxrss`` would count what the process that started this one held.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def only_pairs(count: int) -> None:
    """Print as JSON what ``measured`` reads."""
    values = random_hashes(count)
    before = peak_memory()
    begin = cpu()
    found = count_pairs(values)
    seconds = cpu() - begin
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "pairs": found, "peak": peak, "before": before}))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2, help="of what is planted")
    parser.add_argument("--scenes", type=int, default=40)
    parser.add_argument("--every", type=int, default=1, help="n-th photograph to plant copies of")
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", action="store_true", help="also 4,000,000 hashes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--only-pairs", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.only_pairs:
        only_pairs(options.only_pairs)
        return
    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, line_buffering=True)
    print(f"{parallel.workers()} cores, load {os.getloadavg()[0]:.1f} at the start,"
          f" Python {platform.python_version()}, {platform.machine()}\n")  # fmt: skip
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        if "planted" in options.parts:
            bench_planted(Path(name), options.scenes, options.seed, options.every)
        if "crops" in options.parts:
            bench_crops(Path(name), options.seed)
        if "hashes" in options.parts:
            bench_hashes(Path(name), options.images, options.rounds)
    if "pairs" in options.parts:
        bench_pairs(options.rounds, options.large)
    print(f"({time.perf_counter() - began:.0f} s in all)")


if __name__ == "__main__":
    main()
