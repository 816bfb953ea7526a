"""The link between a run and its front ends: rates, memory, and the commands they send."""

import sys
import time
from collections import deque

import torch

from prep.events import Metric
from prep.system import jobs
from train.run.checkpoint import Counters

_RECENT = 20
"""Steps that the shown rate is averaged over."""


class StepTimer:
    """Measures steps per second and peak memory (bytes)."""

    def __init__(self, device: torch.device, total: int) -> None:
        self._device, self._total = device, total
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

    def metric(self, counters: Counters, epoch: int, loss: float, rate: float) -> Metric:
        """Return the event of a step; ``epoch`` counts from 1."""
        speed = self.rate
        return Metric(
            step=counters.step,
            total=self._total,
            epoch=epoch,
            loss=loss,
            average_loss=counters.average_loss,
            learning_rate=rate,
            it_per_s=speed,
            memory_bytes=memory_in_use(self._device),
            eta_s=(self._total - counters.step) / speed if speed else None,
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

    def asked(self) -> set[str]:
        """Return the commands that arrived since the last call; waits while paused."""
        found, self._offset = jobs.commands(self._job, self._offset)
        paused = False
        while True:
            for command in found:
                paused = {"pause": True, "resume": False, "stop": False}.get(command, paused)
            if not paused:
                return set(found)
            time.sleep(0.2)
            more, self._offset = jobs.commands(self._job, self._offset)
            found += more
