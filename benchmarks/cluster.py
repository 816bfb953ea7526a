"""What a cluster of Ray costs beside tagging in one process, on the same cores.

    python -m benchmarks.cluster [--images 120] [--rounds 3]

A local cluster of one node with all cores is started once; both sides take turns with a stand-in
tagger, and medians count. Real clusters have more machines: what is measured is what each of them
loses. Seconds of a run include loading, and for the cluster starting its worker.
"""

import argparse
import os
import platform
import statistics
import tempfile
from pathlib import Path

from benchmarks import corpus, stand_in
from benchmarks.bench_prep import drain, times
from benchmarks.tagging import forget_scores
from prep import events
from prep.ops import scan, tag
from prep.ops.tag import TagOptions
from prep.project import Project
from prep.project.creation import initialise
from prep.system import parallel


def run(project: Project, options: TagOptions) -> tuple[float, float]:
    """Return images per second of scoring, and the seconds of the whole run."""
    forget_scores(project)
    rates: list[float] = []

    def work() -> None:
        done = [e for e in tag.run(project, options) if isinstance(e, events.Finished)]
        rates.append(float(done[0].summary["images_per_second"]))

    wall, _ = times(work)
    return rates[0], wall


def bench(folder: Path, images: int, rounds: int) -> None:
    """Make pictures and a tagger, start a cluster, and print both sides."""
    from ray.cluster_utils import Cluster

    project = initialise(folder / "project")
    corpus.make(project.dataset / "10_bench", images)
    drain(scan.run(project))
    width, blocks = 384, 12
    model = str(stand_in.make_tagger(folder / "tagger", width, blocks))
    load = os.getloadavg()[0]
    head = {"num_cpus": parallel.workers(), "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    sides = {
        "one process": TagOptions(model=model, device="cpu", write="none", general=1.0),
        "cluster": TagOptions(
            model=model,
            device="cpu",
            write="none",
            general=1.0,
            engine="ray",
            ray_address=cluster.address,
        ),
    }
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    try:
        for _ in range(rounds):
            for name, options in sides.items():
                taken[name].append(run(project, options))
    finally:
        cluster.shutdown()
    cost = stand_in.gigaflop(width, blocks)
    print(f"{images} mixed images, {cost:.0f} GFLOP, median of {rounds} rounds")
    print(f"{parallel.workers()} cores, load {load:.1f}, Python {platform.python_version()}\n")
    print("              images/s   whole run, s")
    medians = {
        name: tuple(statistics.median(part) for part in zip(*values, strict=True))
        for name, values in taken.items()
    }
    for name, (rate, wall) in medians.items():
        print(f"{name:<14}{rate:>8.2f}{wall:>15.1f}")
    here, there = medians["one process"], medians["cluster"]
    print(f"ratio         {there[0] / here[0]:>8.2f}{there[1] / here[1]:>15.2f}")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=120)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    with tempfile.TemporaryDirectory(prefix="b", dir="/tmp") as folder:
        bench(Path(folder), options.images, options.rounds)


if __name__ == "__main__":
    main()
