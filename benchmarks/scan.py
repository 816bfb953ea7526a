"""How near a scan comes to the file system, and how far it is from opening files with Pillow.

    python -m benchmarks.scan [--images 4000] [--rounds 5]

All sides take turns in one run, on files in the page cache; the
least processor time of some rounds counts, since other work on the machine only adds to it. Small
files (64 to 320 px), so that nothing but the work for each file shows.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from benchmarks import corpus
from prep.images import headers
from prep.ops import scan
from prep.project import Project
from prep.project.creation import initialise
from prep.system.walking import walk_folders

SIDES = (64, 128, 224, 320)
FORMATS = ("jpg", "jpg", "png", "webp")
ORIENTATION = 0x0112
CAPTION = "mochi, 1girl, " + ", ".join(f"tag number {n}" for n in range(20))


def make(folder: Path, count: int) -> None:
    """Save ``count`` small pictures: a few drawings, each under many names."""
    folder.mkdir(parents=True)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    files = []
    for number in range(16):
        side = SIDES[number % 4]
        suffix = FORMATS[number // 4]
        path = folder / f"first_{number:02}.{suffix}"
        corpus.draw(number).resize((side, side * 3 // 4)).save(path, exif=exif)
        files.append((path.read_bytes(), suffix))
    for number in range(count - 16):
        data, suffix = files[number % 16]
        (folder / f"{number:06}.{suffix}").write_bytes(data)


def listed(folder: Path) -> None:
    """Walk with ``os.scandir`` and ask for each file's size and time: the least a scan does."""
    with os.scandir(folder) as entries:
        for entry in entries:
            entry.stat()


def sizes(folder: Path) -> None:
    """Walk, and read size and EXIF turn of each file."""
    for found in walk_folders(folder):
        for name in found.names:
            place = f"{found.path}/{name}"
            seen = headers.read(place)
            assert seen is not None
            assert seen[2] is not None


def pillow(folder: Path, *, turn: bool) -> None:
    """Open each file with Pillow, for its size and, if asked for, its EXIF turn."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with Image.open(entry.path) as image:
                if turn:
                    image.getexif().get(ORIENTATION)


def rescan(project: Project) -> None:
    """Scan once more."""
    for _ in scan.run(project):
        pass


def anew(project: Project) -> None:
    """Scan without a cache."""
    for file in project.state.glob("cache.db*"):
        file.unlink()
    rescan(project)


def measure(works: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Run all works in turns; return the least processor time of each."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            start = time.process_time()
            work()
            taken[name].append(time.process_time() - start)
    return {name: min(seconds) for name, seconds in taken.items()}


def bench(folder: Path, count: int, rounds: int) -> None:
    """Make the files and print microseconds per file and ratios."""
    project = initialise(folder / "project")
    images = project.dataset / "10_bench"
    make(images, count)
    captioned = initialise(folder / "captioned")
    make(captioned.dataset / "10_bench", count)
    for image in list((captioned.dataset / "10_bench").iterdir()):
        image.with_suffix(".txt").write_text(CAPTION)
    seconds = measure(
        {
            "os.scandir + stat": lambda: listed(images),
            "size and EXIF turn": lambda: sizes(images),
            "Pillow: open": lambda: pillow(images, turn=False),
            "Pillow: open, EXIF turn": lambda: pillow(images, turn=True),
            "scan, new": lambda: anew(project),
            "scan, unchanged": lambda: rescan(project),
            "scan, new, 22 tags each": lambda: anew(captioned),
            "scan, unchanged, captions": lambda: rescan(captioned),
        },
        rounds,
    )
    print(f"{count} files, best of {rounds} rounds, load {os.getloadavg()[0]:.1f} at the end\n")
    print(f"{'':<28}{'us/file':>9}{'x scandir + stat':>18}{'x faster than Pillow':>22}")
    for name, taken in seconds.items():
        print(
            f"{name:<28}{taken / count * 1e6:>9.1f}{taken / seconds['os.scandir + stat']:>18.1f}"
            f"{seconds['Pillow: open'] / taken:>22.1f}"
        )
    print("\nPillow: size only. Its EXIF turn decodes each PNG file to its end.")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench(Path(folder), options.images, options.rounds)


if __name__ == "__main__":
    main()
