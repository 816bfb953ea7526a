"""Everything that happens once, before the first step: read, load, encode, build, resume."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch

from prep.errors import UserError
from prep.events import Event, Stage, Warned
from prep.images.buckets import Size
from prep.language import quantity
from prep.system import jobs
from train.config import RunConfig, TrainSettings
from train.data.dataset import (
    Dataset,
    Schedule,
    TrainImage,
    largest_bucket,
)
from train.data.latents import LatentCache
from train.families.base import Family
from train.families.base_model import BaseModel
from train.families.conditioning import Texts
from train.lora.metadata import Facts
from train.networks.trainable import TrainedWeights
from train.optim.optimizers import description
from train.optim.stepper import Stepper
from train.run.batches import Lost
from train.run.building import make_network, make_stepper, reorder_frozen
from train.run.checkpoint import Counters, load_newest, set_aside, states
from train.run.graphs import Graphs
from train.run.inputs import divided, encoded, opened
from train.run.ledger import Ledger
from train.run.micro_batches import MicroBatches
from train.run.monitor import CommandReader
from train.run.probe import LEAST_STEPS, judge, prediction_errors
from train.run.processes import ProcessGroup
from train.sampling.draw import ImageGenerator, ImageSpec
from train.sampling.prompts import training_prompts


@dataclass
class Training:
    """A run that is ready to step."""

    run: RunConfig
    job: jobs.Job
    group: ProcessGroup
    model: Family
    data: Dataset
    held_out: tuple[TrainImage, ...]
    schedule: Schedule
    cache: LatentCache
    texts: Texts
    network: TrainedWeights
    stepper: Stepper
    counters: Counters
    facts: Facts
    pictures: tuple[ImageSpec, ...]
    generator: ImageGenerator
    ledger: Ledger
    micro: MicroBatches
    commands: CommandReader
    heed: Callable[[], None] = lambda: None
    """Called between the forwards of a step; raises StopAskedError where it may be broken off."""
    errors: Mapping[str, float] = field(default_factory=dict)
    """Relative error of the base model by what it might predict; empty for a resumed run."""
    planned: int | None = None
    """The peak memory that was calculated, bytes."""
    lost: Lost = field(default_factory=Lost)
    graphs: Graphs = field(default_factory=Graphs)

    def lose(self, image: TrainImage, reason: str) -> None:
        """Note an image that can no longer be read; the run goes on without it.

        Raises:
            UserError: It was the last one.
        """
        self.lost.add(image, reason, self.schedule.images)

    def captions_from(self, step: int) -> Iterable[str]:
        """Return the captions that this process reads from a step on.

        On a CPU none: its text encoders stay where they are, and the first step need not wait.
        """
        ahead = self.group.device.type != "cpu"
        return self.schedule.captions_from(step, self.group.rank) if ahead else ()

    @property
    def settings(self) -> TrainSettings:
        """The settings of the run."""
        return self.run.train

    @property
    def moves_in_trials(self) -> bool:
        """Whether steps that are undone may move the weights: there is no room for two models."""
        return self.settings.method == "lora"

    @property
    def states(self) -> Path:
        """Where states are saved."""
        return self.job.directory / "state"

    def relative(self, path: Path) -> str:
        """Return a path as events name it: relative to the project where possible."""
        root = self.run.project
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


Planner = Callable[[RunConfig, BaseModel, Size], Generator[Event, None, int | None]]
"""Calculates the peak memory (bytes) of a run with its base model and its largest bucket."""


def prepare(
    run: RunConfig,
    job: jobs.Job,
    group: ProcessGroup,
    plan: Planner | None = None,
    commands: CommandReader | None = None,
) -> Generator[Event, None, Training]:
    """Get a run ready.

    Args:
        run: The run.
        job: Its directory.
        group: This process and its device.
        plan: Calculates the memory of a run that begins.
        commands: Tells whether somebody asks to stop; what takes long asks it in between.

    Yields:
        Stages, progress of the encoding, images that were left out, and warnings.

    Returns:
        The run, resumed from its newest state when there is one.

    Raises:
        UserError: Anything the user can fix.
        StopAskedError: Somebody asked to stop; no other process is left waiting.
    """
    base, data, model = yield from opened(run, group)
    settings, commands = run.train, commands or CommandReader(job)
    pictures = _pictures(settings, data, base)
    folder, heed = job.directory / "state", partial(commands.heed, group)
    data, cache = yield from encoded(run, data, model, group)
    generator = _generator(model, settings, pictures if group.is_main else ())
    held_out, schedule, texts = yield from divided(run, base, model, data, folder, group, heed)
    begins = not states(folder)
    planned = yield from _planned(plan if begins and group.is_main else None, run, base, schedule)
    yield from _load(model, settings)
    stepper = make_stepper(model, network := make_network(model, run, fresh=begins), settings)
    counters = Counters(dataset=data.fingerprint, started=time.time())
    training = Training(
        run,
        job,
        group,
        model,
        data,
        held_out,
        schedule,
        cache,
        texts,
        network,
        stepper,
        counters,
        _facts(model, stepper, counters.started, len(held_out)),
        pictures,
        generator,
        Ledger(schedule.images, schedule.steps, model.objective.timesteps),
        MicroBatches(schedule.images),
        commands,
        planned=planned,
    )
    return (yield from _begin_or_resume(training, heed))


def _generator(
    model: Family, settings: TrainSettings, pictures: Sequence[ImageSpec]
) -> ImageGenerator:
    """Return what draws; frozen text encoders read the prompts now, and are not asked again."""
    generator = ImageGenerator(model)
    if not settings.trains_texts(model.base.family):
        generator.read_ahead(pictures)
    return generator


def _begin_or_resume(
    training: Training, heed: Callable[[], None]
) -> Generator[Event, None, Training]:
    """Go back to the newest state; without one, look at what the base model predicts."""
    network, stepper, model = training.network, training.stepper, training.model
    yield from reorder_frozen(model)
    if resumed := load_newest(training.states, network, stepper, training.ledger):
        training.counters = yield from _resume(
            *resumed, training.data, training.schedule, training.group
        )
        training.facts = replace(training.facts, started=training.counters.started)
        training.micro.restore(training.counters.micro_batches, training.group)
        if training.counters.scaler:
            stepper.scaler.load_state_dict(training.counters.scaler)
        training.group.meet()
        return training
    with network.before():
        # Text states of the bare model, which nothing else may remember if they are trained.
        bare = Texts(model, training.settings) if training.texts.trained else training.texts
        training.errors = yield from _probe(
            model, training.cache, bare, training.schedule, training.settings, heed
        )
    training.group.meet()
    return training


def _planned(
    plan: Planner | None, run: RunConfig, base: BaseModel, schedule: Schedule
) -> Generator[Event, None, int | None]:
    """Calculate the memory of a run that is long enough to be worth it."""
    if plan is None or schedule.steps < LEAST_STEPS:
        return None
    return (yield from plan(run, base, largest_bucket(schedule.images)))


def _load(model: Family, settings: TrainSettings) -> Generator[Event, None, None]:
    """Load the denoiser, which comes last: the other parts have done their work without it."""
    began = time.monotonic()
    policy = model.policy
    yield Stage("load", note=f"{model.base.describe()} on {policy.device}")
    if settings.gradient_checkpointing:
        model.checkpoint_gradients()
    model.load_denoiser()
    name = str(policy.dtype).removeprefix("torch.")
    note = f"{name}: {policy.reason}"
    yield Stage("load", True, round(time.monotonic() - began, 2), note)


def _probe(
    model: Family,
    cache: LatentCache,
    texts: Texts,
    schedule: Schedule,
    settings: TrainSettings,
    heed: Callable[[], None],
) -> Generator[Event, None, Mapping[str, float]]:
    """Check what the base model predicts, without the network; return its relative errors.

    Raises:
        ConfigError: It clearly is not what its file says.
    """
    began = time.monotonic()
    errors = prediction_errors(model, cache, texts, schedule.images, heed)
    prediction = model.objective.prediction
    asked_for = settings.prediction != "auto"
    warning = judge(errors, prediction, asked_for=asked_for, name=model.base.name)
    if warning:
        yield warning
    note = f"{prediction}: relative error {errors[prediction]:.3f}"
    yield Stage("probe", True, round(time.monotonic() - began, 2), note)
    return errors


def _resume(
    counters: Counters,
    damaged: Sequence[Path],
    data: Dataset,
    schedule: Schedule,
    group: ProcessGroup,
) -> Generator[Event, None, Counters]:
    """Tell where a run continues.

    Raises:
        UserError: It has gone further already than it is to go.
    """
    if counters.step > schedule.steps:
        raise UserError(
            f"The run has done {quantity(counters.step, 'step')}, and its settings end it after"
            f" {schedule.steps}.",
            "Raise epochs or max_steps: shikomi train --resume JOB --set epochs=…",
        )
    yield Stage("resume", True, note=f"from step {counters.step}")
    for state in damaged:
        yield Warned(
            f"The state {state.name} is damaged.",
            f"The run continues from step {counters.step}, where the one before it was saved.",
        )
        if group.is_main:
            set_aside(state)
    if counters.dataset != data.fingerprint:
        yield Warned(
            "The dataset has changed since this run was interrupted.",
            "The run continues with the new one; the result differs from an uninterrupted run.",
        )
    return replace(counters, dataset=data.fingerprint)


def _pictures(settings: TrainSettings, data: Dataset, base: BaseModel) -> tuple[ImageSpec, ...]:
    """Return what is drawn during training; the resolution of the dataset is the usual size."""
    width, height = base.fitting_size(*data.parts[0].resolution)
    defaults = ImageSpec(
        "",
        "",
        width,
        height,
        settings.seed,
        settings.sample_steps,
        settings.sample_cfg,
        settings.sampler,
        settings.clip_skip,
    )
    prompts = training_prompts(settings.sample_prompts, base)
    return tuple(ImageSpec.of(prompt, defaults, i) for i, prompt in enumerate(prompts))


def _facts(model: Family, stepper: Stepper, started: float, held_out: int) -> Facts:
    names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
    return Facts(
        model.objective.prediction,
        model.objective.zero_terminal_snr,
        names[model.policy.dtype],
        model.base.weights_hash,
        model.base.legacy_hash,
        model.base.version,
        model.base.architecture,
        started,
        held_out,
        description(stepper.optimizer),
    )
