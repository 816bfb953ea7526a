"""What stored scores cost: opening them, and trying thresholds on all of them.

    python -m benchmarks.tag_scores [--images 100000] [--tags 10861] [--folder DIR]

The scores are made up, but sparse as those of WD taggers: some 90 of an image above 0.05, 40 above
0.35. Each question is asked in a fresh process, twice: first with nothing of the files in memory
(as far as the system lets go of them), then again; MB are the most that the second one held,
imports included. The other side is numpy on the same float16 numbers as one memory-mapped matrix,
in portions, which is the least that looking at all of them can cost; and a loop over (tag, score)
pairs in Python, as tagging scripts have it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.index import fill
from prep.dataset.index import Index
from prep.project import Project
from prep.project.creation import initialise
from prep.tagging.models.obtain import TaggerFiles
from prep.tagging.models.tables import CHARACTER, GENERAL, RATING, TagTable
from prep.tagging.scores import taggers
from prep.tagging.scores.store import ScoreStore

Halves = NDArray[np.float16]

_PORTION = 2048
_RATINGS, _CHARACTERS = 4, 0.25
_KEY = "key of the benchmark"
_ASKED = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
from prep import events
from prep.ops import thresholds
from prep.project import Project
project = Project.open(Path(sys.argv[1]))
options = thresholds.ThresholdOptions(**json.loads(sys.argv[2]))
found = list(thresholds.run(project, options))[-1].summary
seconds = time.perf_counter() - start
print(seconds, found["after"])
"""
_OPENED = """
import sys, time
start = time.perf_counter()
from pathlib import Path
from prep.dataset.index import Index
from prep.project import Project
from prep.tagging.scores.taggers import stored
with Index(Project.open(Path(sys.argv[1]))) as index:
    tagger = stored(index)[0]
    known = tagger.store(index).known()
    seconds = time.perf_counter() - start
print(seconds, len(known))
"""
_MATRIX = """
import sys, time
start = time.perf_counter()
from pathlib import Path
import numpy as np
whole = np.load(sys.argv[1], mmap_mode="r")
limits = np.load(sys.argv[2])
taken = 0
for place in range(0, len(whole), 2048):
    part = np.ascontiguousarray(whole[place : place + 2048])
    taken += int(np.count_nonzero(part.view(np.int16) >= limits.view(np.int16)))
seconds = time.perf_counter() - start
print(seconds, taken)
"""
_MEMORY = """
status = Path("/proc/self/status").read_text()  # ru_maxrss would have the parent's in it
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""
_QUESTIONS: dict[str, dict[str, object]] = {
    "thresholds as they are": {},
    "general 0.3 instead of 0.35": {"general": 0.3},
    "widest gap (mcut)": {"mcut": True},
    "best 20": {"top": 20},
    "general 0.02: whole scores are read": {"general": 0.02},
    "a sweep of 12 thresholds": {"sweep": True},
}


def table_of(tags: int) -> TagTable:
    """Return a made-up table: ratings, general tags, and a quarter of characters."""
    characters = int(tags * _CHARACTERS)
    general = tags - characters - _RATINGS
    kinds = [RATING] * _RATINGS + [GENERAL] * general + [CHARACTER] * characters
    return TagTable(tuple(f"tag_{n}" for n in range(tags)), tuple(kinds))


def made_up(count: int, tags: int) -> Iterator[Halves]:
    """Yield scores, shape (some, tags): noise of some 0.002, and 140 higher ones an image."""
    rng = np.random.default_rng(0)
    noise = (rng.exponential(0.002, (257, tags)) % 0.05).astype(np.float16)
    for start in range(0, count, _PORTION):
        size = min(_PORTION, count - start)
        part = noise[rng.integers(len(noise), size=size)]
        columns = (rng.random((size, 140)) ** 3 * tags).astype(np.intp)  # some tags are common
        np.put_along_axis(part, columns, (rng.random((size, 140)) ** 3).astype(np.float16), 1)
        yield part


def store(project: Project, matrix: Path, count: int, table: TagTable) -> None:
    """Fill the index and the scores of a project, and the same scores as one matrix."""
    fill(project, count, 1)
    with Index(project) as index, index.connection as execute:
        execute.execute("DELETE FROM work.exclusions")
    whole = np.lib.format.open_memmap(matrix, "w+", np.float16, (count, len(table)))
    seconds, start = 0.0, 0
    with Index(project) as index:
        paths = [row.path for row in index.iterate()]
        contents = [f"{n * 7919 % count:032x}" for n in range(count)]  # hashes come in no order
        index.put_contents(zip(paths, contents, strict=True))
        taggers.note(index, TaggerFiles("made up", Path(), Path()), "made up", _KEY)
        scores = ScoreStore(index, _KEY, table)
        for part in made_up(count, len(table)):
            whole[start : start + len(part)] = part
            begun = time.perf_counter()
            scores.put(zip(contents[start : start + len(part)], part, strict=True))
            seconds += time.perf_counter() - begun
            start += len(part)
    whole.flush()
    size = (project.state / "cache.db").stat().st_size
    print(
        f"{count:,} images x {len(table):,} tags: {matrix.stat().st_size / 1e6:,.0f} MB as a"
        f" matrix, {size / 1e6:,.0f} MB as cache.db; stored at {count / seconds:,.0f} images/s\n"
    )


def let_go(folder: Path) -> None:
    """Ask the system to forget the contents of files."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def ask(name: str, folder: Path, code: str, *arguments: str) -> float:
    """Run a question in fresh processes, from the disk and again; return the last seconds."""
    taken: list[float] = []
    memory, answer = 0.0, 0.0
    let_go(folder)
    for _ in range(2):
        command = [sys.executable, "-c", code + _MEMORY, *arguments]
        run = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
        )
        seconds, answer, memory = map(float, run.stdout.split())
        taken.append(seconds)
    print(
        f"{name:<40}{taken[0]:>10.2f}{taken[1]:>10.2f}{memory / 1024:>8.0f}{answer:>14,.0f}",
        flush=True,
    )
    return taken[1]


def python_loop(matrix: Path, table: TagTable, images: int = 100) -> float:
    """Return the seconds that a loop over pairs takes for one image."""
    part = np.load(matrix, mmap_mode="r")[:images]
    start = time.perf_counter()
    for row in part:
        pairs = zip(table.names, row.tolist(), strict=True)
        dict(pair for pair in pairs if pair[1] >= 0.35)
    return (time.perf_counter() - start) / len(part)


def bench(folder: Path, count: int, tags: int) -> None:
    """Make the scores, and ask."""
    project, table = initialise(folder / "project"), table_of(tags)
    matrix, limits = folder / "matrix.npy", folder / "limits.npy"
    store(project, matrix, count, table)
    fixed = np.full(tags, 0.35, np.float16)
    fixed[np.array(table.categories) == CHARACTER] = 0.85
    fixed[table.ratings] = np.inf
    np.save(limits, fixed)
    print(f"{'':<40}{'disk, s':>10}{'again, s':>10}{'MB':>8}{'tags/images':>14}")
    least = ask("numpy: a matrix, compared", folder, _MATRIX, str(matrix), str(limits))
    ask("opened: who has scores", folder, _OPENED, str(project.root))
    ours = 0.0
    for name, options in _QUESTIONS.items():
        seconds = ask(name, folder, _ASKED, str(project.root), json.dumps(options))
        ours = ours or seconds
    loop = python_loop(matrix, table) * count
    print(f"{'a loop in Python (100 images, times all)':<40}{'':>10}{loop:>10.2f}")
    print(f"\nthresholds twice (before, after) against the matrix once: {ours / least:.2f} x")
    print(f"a loop in Python against ours: {loop / ours:.0f} x")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--tags", type=int, default=10_861)
    parser.add_argument("--folder", help="where to make files, 5 GB for the defaults")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        bench(Path(folder), options.images, options.tags)


if __name__ == "__main__":
    main()
