"""Events about jobs: training, sampling, judging."""

from dataclasses import dataclass, field
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class JobState(Event):
    """One job of a listing.

    ``state`` is new, queued, running, done, stopped, failed, lost or stalled, as in
    ``prep.system.jobs.Status``; ``place`` is that in the queue, from 1, and 0 outside of it.
    """

    kind: ClassVar[str] = "job"
    name: str
    state: str
    title: str
    directory: str
    place: int = 0


@dataclass(frozen=True)
class Metric(Event):
    """Numbers of one optimiser step (or of one validation round, if ``val_loss`` is set).

    ``memory_bytes`` is the peak on the device, or the resident set of the process on a CPU.
    """

    kind: ClassVar[str] = "metric"
    step: int
    total: int
    epoch: int
    loss: float | None = None
    average_loss: float | None = None
    val_loss: float | None = None
    learning_rate: float | None = None
    it_per_s: float | None = None
    memory_bytes: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True)
class Probed(Event):
    """What a few steps before a run have shown.

    ``step_seconds`` is that of a step, ``run_seconds`` that of all of them, without saving and
    drawing; ``memory_bytes`` the peak as in ``Metric``, beside what was calculated; ``idle`` the
    share of a step in which a GPU waits for work, 0 to 1.
    """

    kind: ClassVar[str] = "probed"
    step_seconds: float
    run_seconds: float
    memory_bytes: int
    planned_bytes: int | None = None
    idle: float | None = None

    @property
    def text(self) -> str:
        """The findings in a sentence."""
        memory = f"{self.memory_bytes / 2**30:.1f} GiB"
        if self.planned_bytes:
            memory += f" (calculated: {self.planned_bytes / 2**30:.1f})"
        found = [f"{self.step_seconds:.2f} s a step", f"about {_duration(self.run_seconds)} in all"]
        found += [memory]
        found += [] if self.idle is None else [f"the GPU waits {self.idle:.0%} of the time"]
        return ", ".join(found)


def _duration(seconds: float) -> str:
    """Return a duration in the unit that suits it.

    Example:
        >>> [_duration(seconds) for seconds in (42, 600, 9000)]
        ['42 s', '10 min', '2.5 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@dataclass(frozen=True)
class Sample(Event):
    """An image was generated."""

    kind: ClassVar[str] = "sample"
    path: str
    prompt: str
    seed: int
    loras: dict[str, float] = field(default_factory=dict)
    step: int | None = None


@dataclass(frozen=True)
class Saved(Event):
    """Weights or a resumable state were saved."""

    kind: ClassVar[str] = "saved"
    path: str
    step: int
    epoch: int


@dataclass(frozen=True)
class Score(Event):
    """One measure of one LoRA, with the base model's value and the confidence interval."""

    kind: ClassVar[str] = "score"
    epoch: int
    strength: float
    measure: str
    value: float
    base: float
    low: float
    high: float
