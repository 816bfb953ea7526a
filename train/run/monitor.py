"""The link between a run and its front ends: rates, memory, and the commands they send."""

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from prep.errors import EXIT_PROBLEMS, UserError
from prep.events import Metric
from prep.system import jobs
from train.run.checkpoint import Counters
from train.run.processes import ProcessGroup, StopAskedError

_RECENT = 20
"""Steps that the shown rate is averaged over."""


class TrainingError(UserError):
    """The run cannot go on: the loss is NaN or infinite."""

    exit_code = EXIT_PROBLEMS


class StepTimer:
    """Measures steps per second and peak memory (bytes)."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._times: deque[float] = deque(maxlen=_RECENT)
        self.peak_memory = 0

    def step(self, seconds: float) -> None:
        """Count a step."""
        self._times.append(seconds)
        self.peak_memory = max(self.peak_memory, memory_in_use(self._device))

    @property
    def rate(self) -> float | None:
        """Steps per second over the last ``_RECENT`` steps; ``None`` before the first one."""
        spent = sum(self._times)
        return len(self._times) / spent if spent else None


@dataclass(frozen=True)
class Step:
    """A step that was done, its loss still on the device.

    Attributes:
        number: Counted from 1.
        epoch: Counted from 1.
        rate: Learning rate.
        loss: Shape ().
        norm: Length of its gradient, shape (); ``None`` when there was none.
        rates: Learning rate of each part that is trained.
    """

    number: int
    epoch: int
    rate: float
    loss: Tensor
    norm: Tensor | None = None
    rates: Mapping[str, float] = field(default_factory=dict)


class StepLog:
    """Reports steps. A GPU reads losses seldom: whoever reads one waits for all work before it.

    Nothing is saved, measured or drawn before the losses up to there were read, so that no state
    holds a step whose loss is NaN or infinite.

    Attributes:
        every: Losses are read after this many steps at the latest, ...
        seconds: ... or when this much time has passed since the first of them.
    """

    def __init__(
        self,
        total: int,
        counters: Counters,
        group: ProcessGroup,
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin.

        Args:
            total: Steps of the run.
            counters: They take in the losses.
            group: This process.
            settle: Called when losses are read and finite: whatever else waits for the device.
        """
        self.timer = StepTimer(group.device)
        # Several processes wait for each other in every step already, and must end in the same one.
        seldom = group.device.type == "cuda" and group.size == 1
        self.every, self.seconds = (16, 0.5) if seldom else (1, 0.0)
        self._total, self._counters, self._settle = total, counters, settle
        self._pending: list[Step] = []
        self._began = 0.0

    def begin(self) -> None:
        """Say that a step begins."""
        if not self._pending:
            self.restart()

    def restart(self) -> None:
        """Count no time from before now, such as that of a pause."""
        self._began = time.monotonic()

    def add(self, step: Step) -> None:
        """Take in a step that was done."""
        self._pending.append(step)

    @property
    def due(self) -> bool:
        """Whether it is time to read."""
        if len(self._pending) >= self.every:
            return True
        return time.monotonic() - self._began >= self.seconds

    def read(self) -> Iterator[Metric]:
        """Yield the steps since the last call.

        Raises:
            TrainingError: The loss of one is NaN or infinite; those before it were yielded.
        """
        steps, self._pending = self._pending, []
        if not steps:
            return
        losses = torch.stack([step.loss for step in steps]).tolist()
        norms = _read(steps)
        spent = time.monotonic() - self._began
        self._counters.seconds += spent
        for step, loss in zip(steps, losses, strict=True):
            if not math.isfinite(loss):
                raise _diverged(step.number)
            self.timer.step(spent / len(steps))
            self._counters.add_loss(step.number, loss)
            yield self._metric(step, loss, norms.get(step.number))
        self._settle()

    def _metric(self, step: Step, loss: float, norm: float | None) -> Metric:
        speed = self.timer.rate
        return Metric(
            step=step.number,
            total=self._total,
            epoch=step.epoch,
            loss=loss,
            average_loss=self._counters.average_loss,
            learning_rate=step.rate,
            it_per_s=speed,
            memory_bytes=self.timer.peak_memory,
            eta_s=(self._total - step.number) / speed if speed else None,
            rates=dict(step.rates),
            gradient_norm=norm,
        )


def _read(steps: Sequence[Step]) -> dict[int, float]:
    """Return the lengths of gradients by the number of their step."""
    norms = {step.number: step.norm for step in steps if step.norm is not None}
    return (
        dict(zip(norms, torch.stack(list(norms.values())).tolist(), strict=True)) if norms else {}
    )


def _diverged(step: int) -> TrainingError:
    return TrainingError(
        f"The loss is NaN or infinite at step {step}.",
        "Lower learning_rate; instead of precision fp16 choose bf16 or fp32. "
        "The newest saved LoRA and state are from before this step.",
    )


def memory_in_use(device: torch.device) -> int:
    """Return the peak of the GPU, or the resident set of this process, bytes."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)


class CommandReader:
    """Reads the commands that front ends append to the job."""

    def __init__(self, job: jobs.Job) -> None:
        self._job, self._offset = job, 0
        self._new: list[str] = []

    def asked(self) -> set[str]:
        """Return the commands that arrived since the last call; waits while paused."""
        self._wait()
        found, self._new = set(self._new), []
        return found

    def rest(self) -> None:
        """Wait while paused, outside the steps; what else was asked is left for ``asked``."""
        self._wait()
        self._new = [command for command in self._new if command not in ("pause", "resume")]

    def heed(self, group: ProcessGroup | None = None) -> None:
        """End what may be broken off.

        Args:
            group: The other processes, which end it, too; ``None`` where this one works alone.

        Raises:
            StopAskedError: Somebody asks to stop.
        """
        if self.stop_asked():
            if group:
                group.meet(stop=True)
            raise StopAskedError

    def stop_asked(self) -> bool:
        """Return whether somebody asks to stop; the others need not be told yet."""
        self._read()
        return "stop" in self._new

    def _wait(self) -> None:
        self._read()
        while self._paused():
            time.sleep(0.2)
            self._read()

    def _paused(self) -> bool:
        paused = False
        for command in self._new:
            paused = {"pause": True, "resume": False, "stop": False}.get(command, paused)
        return paused

    def _read(self) -> None:
        found, self._offset = jobs.commands(self._job, self._offset)
        self._new += found
