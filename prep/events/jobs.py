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
