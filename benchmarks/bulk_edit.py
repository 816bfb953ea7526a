"""How long the preview of a bulk edit takes over many captions, in an index of generated ones.

The limit is what nobody can save: reading the captions from the index, and taking each apart and
putting it together with ``split`` and ``join``. Beside it stands what ``shikomi edit --dry-run``
does: the same, with an event for each change and the counts of tags, but for the reading of files
and the printing.
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from prep.dataset.index import Index, ScannedCaption, ScannedImage
from prep.dataset.journal.changes import Change
from prep.editing.options import EditOptions
from prep.ops import edit
from prep.project.creation import initialise

ROUNDS = 5
TAGS = 2000
PER_CAPTION = (12, 32)
EDITS = (
    ("remove a rare tag", EditOptions(remove=("tag 1999",))),
    ("remove a common tag", EditOptions(remove=("tag 0",))),
    ("rename a common tag", EditOptions(replace={"tag 0": "first tag"})),
    ("add a tag to all", EditOptions(add=("new tag",))),
    ("trigger first", EditOptions(remove=("mychara",), prepend=("mychara",))),
    ("regex", EditOptions(regex={r"^tag (\d)$": r"\1 tag"})),
    ("underscores", EditOptions(words="underscores")),
    ("sort by count", EditOptions(sort=("count",))),
    ("people first", EditOptions(sort=("people",))),
    ("rules", EditOptions(rules=True)),
)


def generate(folder: Path, count: int) -> Index:
    """Return the index of ``count`` images with captions; the files themselves are not there."""
    chance = random.Random(1)
    project = initialise(folder / "project").saved(
        {
            "captions": {"drop": ["watermark"], "replace": {"tag 7": "seven"}},
            "concepts": {"10_mychara": {"trigger": "mychara", "prune": ["tag 1"]}},
        }
    )
    names = ["1girl", *(f"tag {number}" for number in range(TAGS))]
    weights = [1 / (number + 2) for number in range(len(names))]
    index = Index(project)
    paths = [f"dataset/10_mychara/{number:07}.png" for number in range(count)]
    index.put(ScannedImage(path, "10_mychara", 1, 1, 512, 512, "PNG") for path in paths)
    index.put_captions(
        ScannedCaption(
            path,
            ", ".join(
                dict.fromkeys(chance.choices(names, weights, k=chance.randint(*PER_CAPTION)))
            ),
            1,
            1,
        )
        for path in paths
    )
    return index


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Return the least seconds on the clock and of the processor."""
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        action()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return min(walls), min(cpus)


def read_only(index: Index) -> list[tuple[str, str]]:
    """Read all captions, and nothing else: the first part of the limit."""
    return index.connection.execute("SELECT path, caption FROM images ORDER BY path").fetchall()


def split_and_join(rows: Iterable[tuple[str, str]]) -> list[str]:
    """Take every caption apart and put it together: the second part of the limit."""
    return [", ".join([*caption.split(", "), "new tag"]) for _, caption in rows]


def preview(index: Index, options: EditOptions) -> list[Change]:
    """Return all changes, as ``edit`` computes them."""
    return list(edit.changes(index, options))


def dry_run(index: Index, options: EditOptions) -> int:
    """Run the operation as ``--dry-run`` does; return the number of its events."""
    dry = options.model_copy(update={"dry_run": True})
    return sum(1 for _ in edit.run(index.project, dry))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        index = generate(Path(folder), arguments.images)
        rows = read_only(index)
        reading = seconds(lambda: read_only(index))
        joining = seconds(lambda: split_and_join(rows))
        limit = (reading[0] + joining[0], reading[1] + joining[1])
        print(f"{arguments.images} captions, {sum(len(c) for _, c in rows) // len(rows)} letters")
        print(
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start,"
            f" Python {platform.python_version()}, best of {ROUNDS} rounds\n"
        )
        heads = ("changes", "wall s", "cpu s", "x limit", "with counts", "x limit")
        print(f"{'':<22}" + "".join(f"{head:>12}" for head in heads))
        for name, value in (("limit: read", reading), ("limit: split, join", joining)):
            print(f"{name:<22}{'':>12}{value[0]:>12.2f}{value[1]:>12.2f}")
        for name, options in EDITS:
            count = len(preview(index, options))
            wall, cpu = seconds(lambda options=options: preview(index, options))  # type: ignore[misc]
            _, dry = seconds(lambda options=options: dry_run(index, options))  # type: ignore[misc]
            print(
                f"{name:<22}{count:>12}{wall:>12.2f}{cpu:>12.2f}{cpu / limit[1]:>12.2f}"
                f"{dry:>12.2f}{dry / limit[1]:>12.2f}"
            )
            sys.stdout.flush()
        index.close()


if __name__ == "__main__":
    main()
