"""Events about jobs: training, sampling, judging."""

from dataclasses import dataclass, field
from typing import ClassVar

from prep.events.base import Event


@dataclass(frozen=True)
class JobState(Event):
    """One job of a listing; ``state`` is new, running, done, stopped, failed or lost."""

    kind: ClassVar[str] = "job"
    name: str
    state: str
    title: str
    directory: str


@dataclass(frozen=True)
class Metric(Event):
    """Numbers of one optimiser step (or of one validation round, if ``val_loss`` is set).

    ``memory_bytes`` is the peak on the device, or the resident set of the process on a CPU.
    ``rates`` are the learning rates of the parts that are trained; ``gradient_norm`` is the length
    of the gradient before it was clipped.
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
    rates: dict[str, float] = field(default_factory=dict)
    gradient_norm: float | None = None


@dataclass(frozen=True)
class Validation(Event):
    """One validation round: losses on fixed noise, the same function after every step.

    ``held_out`` are images that are not trained on, ``trained`` a few that are; each by image. The
    bands, low, mid and high, say how much noise there was. ``fall`` is the share that the loss has
    fallen since before the first step, averaged over the noise levels, and ``gap`` how much more
    it has fallen for the trained images than for those held out.
    """

    kind: ClassVar[str] = "validation"
    step: int
    total: int
    epoch: int
    loss: float | None = None
    trained_loss: float | None = None
    bands: dict[str, float] = field(default_factory=dict)
    trained_bands: dict[str, float] = field(default_factory=dict)
    fall: float | None = None
    trained_fall: float | None = None
    gap: float | None = None
    held_out: dict[str, float] = field(default_factory=dict)
    trained: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageLoss(Event):
    """How hard one training image is: losses relative to those of all images at like timesteps.

    1 is usual, 2 twice as hard. ``first`` and ``last`` are the means of the first quarter of
    the run and of its second half; ``verdict`` is hard, not learned, memorised or empty.
    """

    kind: ClassVar[str] = "image_loss"
    path: str
    exposures: int
    relative: float | None
    spread: float | None
    first: float | None
    last: float | None
    verdict: str = ""


@dataclass(frozen=True)
class Diagnosis(Event):
    """What the doctor says about one kind of trouble, or about one part of the machine.

    ``state`` is found, fine, or unknown when there is not enough to say; ``evidence`` are figures,
    ``cause`` what they mean, and ``change`` the next thing to do.
    """

    kind: ClassVar[str] = "diagnosis"
    topic: str
    state: str
    evidence: str
    cause: str = ""
    change: str = ""

    @property
    def problem(self) -> bool:
        """Trouble was found."""
        return self.state == "found"


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
