"""What a move of a threshold slider costs: kept scores to the captions that would change.

    python -m benchmarks.trial [--images 10000] [--tags 10861] [--folder DIR]

The scores are those of ``benchmarks.tag_scores``: 140 higher ones an image, spread over all tags,
so that a hundredth changes half of the captions; real taggers are surer. CPU seconds of this
process stand first, since the machine may be busy; a slider shows counts as they grow, every 256
captions. The other side is a dry run of ``shikomi tag``, which answers the same question once.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.tag_scores import store, table_of
from prep.dataset.index import Index
from prep.ops.score_options import ScoreOptions
from prep.ops.threshold_trial import Chosen, ThresholdTrial, applied
from prep.project import Project
from prep.project.creation import initialise

_MOVES = (None, 0.35, 0.36, 0.35, 0.40, 0.20)


def timed(name: str, work: Callable[[], Any]) -> Any:
    """Do something, and print what it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"{name:<46}{cpu:>8.2f}{wall:>8.2f}", end="", flush=True)
    return found


def bench(project: Project) -> None:
    """Read, and move the slider."""
    print(f"{'':<46}{'CPU, s':>8}{'wall, s':>8}   captions that change")
    with Index(project) as index:
        first = timed(
            "tagged once: everything compiled and written",
            lambda: applied(project, index, ScoreOptions(), Chosen()),
        )
        print(f"{len(first.changed):>10,}")
        found = ThresholdTrial(project, index, ScoreOptions())
        timed("scores and captions read", lambda: list(found.read(Chosen())))
        print()
        for general in _MOVES:
            options = ScoreOptions(general=general)
            steps: list[float] = []

            def move(options: ScoreOptions = options, steps: list[float] = steps) -> None:
                begun = time.process_time()
                for _ in found.at(options):
                    steps.append(time.process_time() - begun)
                    begun = time.process_time()

            timed(f"general {general or 'as it is'}", move)
            print(f"{len(found.trial.changed):>10,}   longest step {max(steps) * 1000:.0f} ms")
        words = {"general": 0.36}
        timed(
            "a run of shikomi tag, for comparison",
            lambda: applied(project, index, ScoreOptions.model_validate(words), Chosen()),
        )
        print()


def main() -> None:
    """Make the scores, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--tags", type=int, default=10_861)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        project = initialise(Path(folder) / "project")
        store(project, Path(folder) / "matrix.npy", given.images, table_of(given.tags))
        for path in {Path(row.path).parent for row in _rows(project)}:
            (project.root / path).mkdir(parents=True, exist_ok=True)
        bench(project)


def _rows(project: Project) -> list[Any]:
    with Index(project) as index:
        return index.select()


if __name__ == "__main__":
    main()
