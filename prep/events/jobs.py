"""Events about jobs: training, sampling, judging."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from prep.events.base import Event
from prep.language import quantity


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
class ComparedRun(Event):
    """One of several training runs that are compared; the order of these is that of all values.

    ``first_validation`` and ``last_validation`` are losses of validation rounds; ``total`` is 0
    before the first step.
    """

    kind: ClassVar[str] = "compared_run"
    job: str
    title: str
    state: str
    steps: int
    total: int
    first_validation: float | None = None
    last_validation: float | None = None
    average_loss: float | None = None


@dataclass(frozen=True)
class ComparedSetting(Event):
    """A setting that is not the same in all runs; a value is null where it is not set."""

    kind: ClassVar[str] = "compared_setting"
    setting: str
    values: list[Any]


@dataclass(frozen=True)
class ComparedStep(Event):
    """The runs after the same number of steps: smoothed loss, and the newest validation by then."""

    kind: ClassVar[str] = "compared_step"
    step: int
    losses: list[float | None]
    validations: list[float | None]


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
        ['42 seconds', '10 minutes', '2.5 hours']
    """
    if seconds < 120:
        return quantity(round(seconds), "second")
    if seconds < 7200:
        return quantity(round(seconds / 60), "minute")
    return f"{seconds / 3600:.1f} hours"


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
