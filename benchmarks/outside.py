"""What the training loop does outside of forward, backward and optimiser, in processor time.

    python -m benchmarks.outside [--steps 24] [--only demo full]

Two runs by the loop itself, with all that it does between two steps: the demo's (all of its
settings, batch 8 at 64 pixels, text encoder trained) and one of SD 1.5 at full size (random
weights, 256 pixels, batch 1, a LoRA of rank 16). "Inside" are the calls of the denoiser and the
text encoders, ``torch.autograd.backward`` and ``optimizer.step``; everything else is "outside":
order, captions, reading latents, noise, the loss, clipping, the ledger, events. One thread;
processor seconds, the median of the steps.
"""

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from benchmarks.full_size import make_file
from benchmarks.learning import Case, made_project, run_of, trained
from benchmarks.own_run import configured
from benchmarks.sd_scripts import SIDE, pictures
from prep.events import Metric
from train.config import RunConfig
from train.families.sd15 import StableDiffusion15
from train.networks.trainee import Trainee
from train.optim.stepper import Stepper
from train.run import gradients, objective
from train.run.ledger import Ledger
from train.run.monitor import StepLog

_FIRST = 4
"""Steps that are left out: they make room, and the optimiser's state."""
INSIDE = {
    "forward": (StableDiffusion15, "predict"),
    "text encoder": (StableDiffusion15, "encode_tokens"),
    "backward": (torch.autograd, "backward"),
    "optimiser": (torch.optim.AdamW, "step"),
}
OUTSIDE = {
    "latents, captions, noise": (objective, "_drawn"),
    "to the device": (objective, "_question"),
    "loss": (objective, "pixel_errors"),
    "norm and clipping, zeros": (Stepper, "step"),
    "casts of the network": (Trainee, "begin"),
    "release of the casts": (Trainee, "after_step"),
    "sums, and freeing the graph": (gradients, "_attempt"),
    "ledger": (Ledger, "note"),
    "log": (StepLog, "read"),
}
"""Parts of what is outside, each without what is inside of it."""


class Clock:
    """Processor seconds of the step under way, by part; nested parts count once, innermost."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._open: list[str] = []
        self._since = time.process_time()

    def turn(self) -> None:
        """Book the time since the last turn on the innermost open part."""
        now = time.process_time()
        self.spent[self._open[-1] if self._open else "rest"] += now - self._since
        self._since = now

    def around(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function with its time booked under a name."""

        def booked(*args: Any, **options: Any) -> Any:
            self.turn()
            self._open.append(name)
            try:
                return work(*args, **options)
            finally:
                self.turn()
                self._open.pop()

        return booked

    def taken(self) -> dict[str, float]:
        """Return the seconds since the last call, and begin anew."""
        self.turn()
        found, self.spent = self.spent, defaultdict(float)
        return found


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Book the parts within it."""
    with ExitStack() as stack:
        for name, (owner, attribute) in (INSIDE | OUTSIDE).items():
            work = clock.around(name, getattr(owner, attribute))
            stack.enter_context(mock.patch.object(owner, attribute, work))
        yield


def measured(run: RunConfig, folder: Path) -> list[dict[str, float]]:
    """Train; return the processor seconds of each step by part."""
    clock = Clock()
    with watched(clock):
        steps = (e for e in trained(run, folder) if isinstance(e, Metric) and e.loss is not None)
        return [clock.taken() for _ in steps][_FIRST:]


def report(title: str, steps: list[dict[str, float]]) -> None:
    """Print the medians."""
    total = statistics.median(sum(step.values()) for step in steps)
    outside = [sum(t for name, t in step.items() if name not in INSIDE) for step in steps]
    share = statistics.median(o / sum(s.values()) for o, s in zip(outside, steps, strict=True))
    print(f"{title}: {1000 * total:.0f} ms a step, outside {share:.1%}")
    for name in (*INSIDE, *OUTSIDE, "rest"):
        spent = statistics.median(step.get(name, 0.0) for step in steps)
        print(f"    {name:<26}{1000 * spent:9.2f} ms {spent / total:7.2%}", flush=True)


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--only", nargs="*", default=["demo", "full"])
    parser.add_argument("--base", type=Path, help="SD 1.5, made before by full_size")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cores, load = os.cpu_count(), os.getloadavg()[0]
    print(f"torch {torch.__version__}, 1 thread of {cores}, {platform.machine()}, load {load:.1f}")
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        if "demo" in options.only:
            project, dataset = made_project(folder / "project")
            run = run_of(project, dataset, Case("outside"), options.steps)
            quiet = {"sample_at_start": False, "sample_every_steps": 0, "sample_prompts": ()}
            run = run.model_copy(update={"train": run.train.model_copy(update=quiet)})
            report("demo model, 64 px, batch 8, fp32", measured(run, folder / "demo"))
        if "full" in options.only:
            data = pictures(folder / "data") / "dataset.toml"
            base = options.base or make_file(folder / "sd15.safetensors", "sd15")
            for precision in ("fp32", "bf16"):
                place = folder / precision
                run = configured(base, data, precision, options.steps, place)
                found = measured(run, place / "job")
                report(f"SD 1.5, {SIDE} px, batch 1, {precision}", found)


if __name__ == "__main__":
    main()
