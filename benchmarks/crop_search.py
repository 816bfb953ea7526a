"""How the search for crops copes with many pictures that are drawn alike.

    python -m benchmarks.crop_search [--images 1000]

First what our tables (``prep/curation/duplicates/votes.py``) lose: crops of photographs that are
found among their candidates, and among all pairs of pictures. Then what they cost where it is
hardest: scenes of the demo world share heads, eyes and hats, so their patches have very many near
neighbours. Both sides get the same patches and return the pairs of pictures that share at least
five: our tables, and all pairs of patches whose first 64 bits differ in at most 7, found by words.
Last the whole of ``dupes --crops``, the first and the second time.
"""

import argparse
import os
import platform
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks import planted
from benchmarks.bench_prep import drain
from prep.curation.duplicates import patches, votes
from prep.curation.duplicates.overlaps import OverlapSearch
from prep.curation.duplicates.pairs import close_pairs
from prep.dataset import contents
from prep.dataset.index import ImageRow, Index
from prep.ops import dupes, scan
from prep.ops.dupes import DupesOptions
from prep.project.creation import initialise
from prep.system import parallel
from sample_data.make import world

_RADIUS, _VOTES = 7, 5


def bench_recall(folder: Path, seeds: Sequence[int]) -> None:
    """Print how many crops are found among the candidates, and among all pairs."""
    by_tables, by_all, wanted = 0, 0, 0
    for seed in seeds:
        project = initialise(folder / f"cuts{seed}")
        names = planted.cut(project.dataset / "10_cuts", seed)
        drain(scan.run(project))
        wanted += len(names)
        with Index(project) as index:
            drain(contents.hash_contents(index, index.usable()))
            rows = index.usable()
            drain(patches.make(index, rows))
            known = patches.read(index, rows)
            look = OverlapSearch(index, rows, known)
            pairs = votes.candidates([marks.patches for marks in known])
            by_tables += len(names & crops_of(rows, look, pairs))
            by_all += len(names & crops_of(rows, look, list(combinations(range(len(rows)), 2))))
    print(f"crops of photographs: {wanted}; tables {by_tables}, all pairs of pictures {by_all}")


def crops_of(
    rows: Sequence[ImageRow], look: OverlapSearch, pairs: Sequence[tuple[int, int]]
) -> set[str]:
    """Return the names of all pictures that have parts in common with another one."""
    found = zip(pairs, look.closer(pairs), strict=True)
    return {Path(rows[each].path).name for pair, overlap in found if overlap for each in pair}


def draw(folder: Path, count: int) -> None:
    """Draw scenes of the demo world."""
    rng = random.Random(3)
    folder.mkdir(parents=True)
    for number in range(count):
        size = rng.choice([(512, 512), (512, 640), (640, 480)])
        world.draw(world.sample_scene(rng), size).save(folder / f"{number:05}.jpg", quality=92)


def by_close_pairs(found: Sequence[patches.Patches]) -> list[int]:
    """Return the pairs of pictures with enough close patches, the lower one in the upper bits."""
    owners = np.repeat(np.arange(len(found)), [len(each) for each in found])
    together = np.concatenate(found)
    keys = np.ascontiguousarray(together["bits"][:, :8]).view("<u8").ravel()
    shared: Counter[int] = Counter()
    for block in close_pairs(keys, _RADIUS):
        one, other = owners[block.first], owners[block.second]
        codes = np.minimum(one, other) << 32 | np.maximum(one, other)
        pairs, counts = np.unique(codes[one != other], return_counts=True)
        shared.update(dict(zip(pairs.tolist(), counts.tolist(), strict=True)))
    return [code for code, count in shared.items() if count >= _VOTES]


def seconds(work: Callable[[], object]) -> float:
    """Return what something takes in CPU seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def bench(folder: Path, count: int) -> None:
    """Draw, search both ways, and run the whole command twice."""
    project = initialise(folder / "project")
    draw(project.dataset / "10_bear", count)
    drain(scan.run(project))
    whole = [seconds(lambda: drain(dupes.run(project, DupesOptions(crops=True)))) for _ in range(2)]
    with Index(project) as index:
        found = [marks.patches for marks in patches.read(index, index.usable())]
    print(f"{count} scenes drawn alike, {sum(map(len, found)):,} patches")
    ours = seconds(lambda: votes.candidates(found))
    theirs = seconds(lambda: by_close_pairs(found))
    print(f"tables {ours:.1f} s CPU, all close pairs {theirs:.1f} s, ratio {theirs / ours:.0f}")
    print(f"dupes --crops: {whole[0]:.1f} s CPU, a second time {whole[1]:.1f} s")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=1000)
    options = parser.parse_args()
    print(f"{parallel.workers()} cores, load {os.getloadavg()[0]:.1f} at the start,"
          f" Python {platform.python_version()}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        bench_recall(Path(name), (1, 2, 3))
        bench(Path(name), options.images)


if __name__ == "__main__":
    main()
