"""Run a training script and note the clocks after each step of its optimiser.

    python step_clock.py FIGURES SCRIPT [ARGUMENTS]

The script runs as it would alone, with ``__name__`` as ``__main__`` and its own folder first on the
path. FIGURES gets a JSON list of [seconds on the clock, seconds of processor time] when it ends,
and the peak of its resident memory. It needs nothing but torch, so that any environment can run it.
"""

import json
import resource
import runpy
import sys
import time
from pathlib import Path

from torch.optim.optimizer import register_optimizer_step_post_hook


def main() -> None:
    """Run the script."""
    figures, script = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sys.path[0] = str(Path(script).parent)
    taken: list[tuple[float, float]] = []
    register_optimizer_step_post_hook(
        lambda *_: taken.append((time.perf_counter(), time.process_time()))
    )
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        figures.write_text(json.dumps({"steps": taken, "peak": peak}))


if __name__ == "__main__":
    main()
