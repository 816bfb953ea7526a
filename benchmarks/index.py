"""What large datasets cost: filters, opening a project, counting tags, changing many captions.

    python -m benchmarks.index [--images 100000] [--rounds 5] [--open 1000000] [--captions 2000]

The index is made up (no image files), with the tag frequencies of a booru: some in most images,
many in a few. Filters print milliseconds, opening prints seconds and memory of a fresh process. The
last part changes real caption files, and compares with writing them by hand in the same way.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks.scan import make
from prep.dataset.index import Index, ScannedCaption, ScannedImage
from prep.dataset.journal.changes import CAPTION, Change
from prep.dataset.journal.edits import Journal
from prep.ops import scan
from prep.project import Project
from prep.project.creation import initialise

SIZES = ((512, 512), (768, 1152), (1024, 1024), (1600, 900), (1216, 832), (2000, 1333))
FILTERS = (
    "",
    "tag_0",
    "tag_0 -tag_5",
    "tag_0 tag_1 tag_2",
    "tag_0 tag_3000",
    "-tag_0",
    "tag_0 w>=1024",
    "w>=1024 ar>1.2",
    "tag_1 or tag_2",
    "tag_1* -tag_2",
    "excluded:no tag_0",
    "has:caption excluded:no -error",
    "in:10_a tags>20",
    "concept:b h<1000 format:png",
    "bucket:512x512",
    "upscaled",
    "name:00042",
    '"tag 1"',
    "(tag_0 or tag_7) -(tag_3 w>1000)",
    "tag_0 /tag_7\\b/",
    "text:tag_77",
)
OPENED = """
import resource, sys, time
start = time.perf_counter()
from pathlib import Path
from prep.dataset.index import Index
from prep.project import Project
with Index(Project.open(Path(sys.argv[1]))) as index:
    ids = index.ids()
    page = index.rows(ids[:50])
    seconds = time.perf_counter() - start
    counts = index.tag_counts()
    counted = time.perf_counter() - start - seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(len(ids), len(page), seconds, memory, counted)
"""


def captions_of(count: int, tags: int) -> Iterator[str]:
    """Yield made-up captions: of 30 tags, tag 0 is in 83 %, tag 1 in 37 %, tag 3,000 in 0.3 %."""
    rng = np.random.default_rng(0)
    for start in range(0, count, 10_000):
        rows = (rng.random((min(10_000, count - start), tags)) ** 3 * 5_000).astype(np.int64)
        for row in rows.tolist():
            yield ", ".join(f"tag {tag}" for tag in dict.fromkeys(row))


def fill(project: Project, count: int, tags: int) -> float:
    """Put made-up images into the index of a project; return the seconds it took."""
    start = time.perf_counter()
    with Index(project) as index:
        texts = captions_of(count, tags)
        for first in range(0, count, 16_384):
            numbers = range(first, min(first + 16_384, count))
            paths = [f"dataset/10_{'ab'[n % 2]}/{n * 7919 % count:08}.png" for n in numbers]
            found = [
                ScannedImage(path, path.split("/")[1], 500_000, 1, *SIZES[n % 6], "PNG")
                for n, path in zip(numbers, paths, strict=True)
            ]
            index.put(found)
            index.put_captions(ScannedCaption(path, next(texts), 200, 1) for path in paths)
        with index.connection as execute:
            execute.execute(
                "INSERT INTO work.exclusions SELECT path, 'by hand' FROM images WHERE id % 20 = 0"
            )
    return time.perf_counter() - start


def least(
    work: Callable[[], object], rounds: int, clock: Callable[[], float] = time.process_time
) -> float:
    """Return the least seconds of some runs: of the processor, which is all that filters need."""
    taken = []
    for _ in range(rounds):
        start = clock()
        work()
        taken.append(clock() - start)
    return min(taken)


def bench_filters(folder: Path, count: int, rounds: int) -> None:
    """Time filters, counting, and reading everything."""
    project = initialise(folder / "filters")
    seconds = fill(project, count, 30)
    print(f"{count:,} images with 30 tags each: indexed at {count / seconds:,.0f} images/s\n")
    print(f"{'filter: ids in path order':<40}{'images':>10}{'ms':>9}")
    with Index(project) as index:
        for text in FILTERS:
            taken = least(lambda text=text: index.ids(text), rounds)  # type: ignore[misc]
            print(f"{text or '(everything)':<40}{len(index.ids(text)):>10,}{taken * 1000:>9.1f}")
        for text in ("", "tag_0", "tag_0 tag_3000"):
            taken = least(lambda text=text: index.tag_counts(text), rounds)  # type: ignore[misc]
            print(f"{'tags counted: ' + (text or '(everything)'):<40}{'':>10}{taken * 1000:>9.1f}")
        taken = least(index.select, 3)
        print(f"{'all rows read':<40}{count:>10,}{taken * 1000:>9.1f}")


def bench_opening(folder: Path, count: int) -> None:
    """Open a large project in a fresh process."""
    project = initialise(folder / "opening")
    seconds = fill(project, count, 12)
    size = (project.state / "cache.db").stat().st_size / 1e6
    print(f"\n{count:,} images with 12 tags each: indexed in {seconds:.0f} s, {size:,.0f} MB")
    for _ in range(2):
        run = subprocess.run(
            [sys.executable, "-c", OPENED, str(project.root)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
        )
        ids, page, opened, memory, counted = map(float, run.stdout.split())
        print(
            f"opened: {ids:,.0f} ids and a page of {page:.0f} rows in {opened:.2f} s,"
            f" imports included; {memory:.0f} MB; tags counted in {counted:.2f} s"
        )


def by_hand(places: list[Path], text: str) -> None:
    """Replace files as safely as the journal does, and do nothing else: the limit."""

    def write(place: Path) -> None:
        temporary = f"{place}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        os.write(descriptor, text.encode())
        os.fsync(descriptor)
        os.close(descriptor)
        os.replace(temporary, place)  # noqa: PTH105  (as cheap as it can be)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, places))


def bench_captions(folder: Path, count: int) -> None:
    """Change real caption files through the journal, and by hand."""
    project = initialise(folder / "captions")
    images = project.dataset / "10_bench"
    make(images, count)
    places = [path.with_suffix(".txt") for path in images.iterdir()]
    for place in places:
        place.write_text("mochi, hat, smile", encoding="utf-8")
    for _ in scan.run(project):
        pass
    with Index(project) as index:
        journal = Journal(index)
        changes = [
            Change(row.path, CAPTION, row.caption, f"{row.caption}, new") for row in index.select()
        ]
        # In turns, since what a disk does depends on what it has just done.
        works = {
            "by hand: write, fsync, replace": lambda: by_hand(places, "mochi, hat, smile"),
            "journal: apply": lambda: journal.apply("add new", changes),
            "journal: undo": journal.undo,
        }
        taken: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(3):
            for name, work in works.items():
                taken[name].append(least(work, 1, time.perf_counter))
    print(f"\n{count:,} caption files")
    limit = min(taken["by hand: write, fsync, replace"])
    for name in works:
        seconds = min(taken[name])
        print(f"{name:<40}{seconds / count * 1e6:>10.0f} us/file{seconds / limit:>9.2f} x")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--open", type=int, default=1_000_000)
    parser.add_argument("--captions", type=int, default=2000)
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} at the start", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        if options.images:
            bench_filters(Path(folder), options.images, options.rounds)
        if options.open:
            bench_opening(Path(folder), options.open)
        if options.captions:
            bench_captions(Path(folder), options.captions)


if __name__ == "__main__":
    main()
