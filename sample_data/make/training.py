"""What all trainings of the demo world share: resuming, averaging, learning rate, log lines.

Every training here can be stopped at any moment and goes on where its last checkpoint lies when
its command is run again.
"""

import argparse
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
WORK = HERE / "work"
SAMPLE_DATA = HERE.parent


def arithmetic() -> AbstractContextManager[None]:
    """Return the context in which models are called: bf16 where the processor computes in it.

    Without instructions for it bf16 takes forty times as long as fp32.
    """
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    able = any(getattr(torch.cpu, ask)() for ask in asks)
    return torch.autocast("cpu", torch.bfloat16, enabled=able)


def learning_rate(step: int, total: int, peak: float, warm_up: int = 100) -> float:
    """Rise linearly to the peak, then fall along half a cosine to 2 % of it.

    Example:
        >>> learning_rate(50, 1000, 1.0)
        0.5
        >>> round(learning_rate(1000, 1000, 1.0), 2)
        0.02
    """
    if step < warm_up:
        return peak * step / warm_up
    share = min(1.0, (step - warm_up) / max(1, total - warm_up))
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


class Run:
    """One resumable training of a set of modules with AdamW and an averaged copy of the weights."""

    def __init__(
        self, name: str, modules: nn.Module, *, total: int, peak: float, decay: float = 0.01
    ) -> None:
        """Build the optimiser and pick up the last checkpoint, if there is one.

        Args:
            name: Names the checkpoint file.
            modules: What is trained.
            total: At which step it ends.
            peak: The highest learning rate.
            decay: Weight decay.
        """
        self.path = WORK / f"{name}.pt"
        self.modules = modules
        self.total = total
        self.peak = peak
        self.step = 0
        self.seconds = 0.0
        self.optimiser = torch.optim.AdamW(
            modules.parameters(), lr=peak, weight_decay=decay, betas=(0.9, 0.99)
        )
        self.average = {k: v.detach().clone() for k, v in modules.state_dict().items()}
        self.after_backward: Callable[[], None] = lambda: None
        self.leads = True
        self._losses: list[float] = []
        self._started = time.monotonic()
        if self.path.exists():
            self._load()

    def update(self, loss: Tensor) -> None:
        """Take one optimiser step and average the weights."""
        rate = learning_rate(self.step, self.total, self.peak)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.after_backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        self._average()
        self._report(loss.item())

    def save(self) -> None:
        """Write a checkpoint; a crash half-way leaves the one before."""
        if not self.leads:
            return
        WORK.mkdir(exist_ok=True)
        state = {
            "modules": self.modules.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.elapsed(),
        }
        partial = self.path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(self.path)

    def elapsed(self) -> float:
        """Return the seconds trained so far, earlier runs included."""
        return self.seconds + time.monotonic() - self._started

    def use_average(self) -> None:
        """Put the averaged weights into the modules."""
        self.modules.load_state_dict(self.average)

    def _load(self) -> None:
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        self.modules.load_state_dict(state["modules"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average = state["average"]
        self.step = state["step"]
        self.seconds = state["seconds"]

    def _average(self) -> None:
        keep = min(0.998, self.step / (self.step + 10))
        for name, value in self.modules.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value.detach(), 1 - keep)
            else:
                self.average[name].copy_(value)

    def _report(self, loss: float) -> None:
        self._losses.append(loss)
        if self.step % 50 == 0 and self.leads:
            mean = sum(self._losses) / len(self._losses)
            print(
                f"step {self.step}/{self.total} loss {mean:.4f} {self.elapsed():.0f} s", flush=True
            )
            self._losses.clear()
        if self.step % 250 == 0:
            self.save()


def arguments(description: str, steps: int, *, team: bool = False) -> argparse.Namespace:
    """Parse the options that all trainings have; ``team`` adds those of several processes."""
    parser = argparse.ArgumentParser(description=description)
    if team:
        parser.add_argument("--processes", type=int, default=1, help="train in so many at once")
        parser.add_argument(
            "--from-base", action="store_true", help="begin with the weights in sample_data/base"
        )
    parser.add_argument("--steps", type=int, default=steps, help="train until this step")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    return options
