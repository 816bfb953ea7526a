"""Everything that happens once, before the first step: read, load, encode, build, resume."""

import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prep.errors import UserError
from prep.events import Event, Stage, Warned
from prep.system import jobs
from train.arithmetic.precision import choose
from train.config import RunConfig, TrainSettings
from train.data.dataset import Dataset, Schedule, TrainImage, read_dataset, split_validation
from train.data.latents import LatentCache
from train.families.conditioning import Texts
from train.families.sd15 import StableDiffusion15
from train.lora.file import file_hash
from train.lora.keys import TEXT_PREFIX, UNET_PREFIX
from train.lora.metadata import Facts
from train.networks.lora import LoraNetwork, Ranks
from train.run.checkpoint import Counters, load_state, states
from train.run.processes import ProcessGroup
from train.sampling.draw import ImageGenerator, ImageSpec
from train.sampling.prompts import parse


@dataclass
class Training:
    """A run that is ready to step."""

    run: RunConfig
    job: jobs.Job
    group: ProcessGroup
    model: StableDiffusion15
    data: Dataset
    held_out: tuple[TrainImage, ...]
    schedule: Schedule
    cache: LatentCache
    texts: Texts
    network: LoraNetwork
    optimizer: torch.optim.AdamW
    scaler: torch.amp.GradScaler
    counters: Counters
    facts: Facts
    pictures: tuple[ImageSpec, ...]
    generator: ImageGenerator

    @property
    def settings(self) -> TrainSettings:
        """The settings of the run."""
        return self.run.train

    @property
    def states(self) -> Path:
        """Where states are saved."""
        return self.job.directory / "state"

    def relative(self, path: Path) -> str:
        """Return a path as events name it: relative to the project where possible."""
        root = self.run.project
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def prepare(run: RunConfig, job: jobs.Job, group: ProcessGroup) -> Generator[Event, None, Training]:
    """Get a run ready.

    Yields:
        Stages, progress of the encoding, images that were left out, and warnings.

    Returns:
        The run, resumed from its newest state when there is one.

    Raises:
        UserError: Anything the user can mend: dataset, base model, prompts, settings.
    """
    settings = run.train
    if run.family != "sd15":
        raise UserError(f"Training of {run.family} is not supported yet.", "Use an SD 1.5 base.")
    if not settings.base:
        raise UserError("No base model is set.", "Set base in [train], or: --set base=FOLDER")
    data = read_dataset(run.dataset, settings)
    pictures = _pictures(run, data)
    model = yield from _load(run, group)
    cache = LatentCache(run.cache, model.vae_hash(), model.encode_pixels)
    data = yield from _encode(data, cache, group)
    _check_sizes(data, model.pixel_factor)
    train, held_out = split_validation(data.images, settings.validation_fraction, settings.seed)
    schedule = Schedule.make(train, settings, group.size)
    network = _network(model, settings)
    optimizer = _optimizer(network, settings, group.device)
    counters = Counters(dataset=data.fingerprint, started=time.time())
    texts = Texts(model, settings)
    yield from _warnings(data, texts, settings)
    scaler = torch.amp.GradScaler(group.device.type, enabled=model.policy.dtype == torch.float16)
    saved = states(job.directory / "state")
    if saved:
        counters = yield from _resume(saved[-1], network, optimizer, data)
        if counters.scaler:
            scaler.load_state_dict(counters.scaler)
    return Training(
        run,
        job,
        group,
        model,
        data,
        tuple(held_out),
        schedule,
        cache,
        texts,
        network,
        optimizer,
        scaler,
        counters,
        _facts(model, counters, len(held_out)),
        pictures,
        ImageGenerator(model),
    )


def _load(run: RunConfig, group: ProcessGroup) -> Generator[Event, None, StableDiffusion15]:
    began = time.monotonic()
    policy = choose(run.train.precision, group.device)
    yield Stage("load", note=f"{run.base.name} on {group.device}")
    model = StableDiffusion15.load(run.base, policy)
    if run.train.gradient_checkpointing:
        model.checkpoint_gradients()
    name = str(policy.dtype).removeprefix("torch.")
    note = f"{name}: {policy.reason}"
    yield Stage("load", True, round(time.monotonic() - began, 2), note)
    return model


def _encode(
    data: Dataset, cache: LatentCache, group: ProcessGroup
) -> Generator[Event, None, Dataset]:
    """Fill the latent cache; images that turn out to be broken are left out."""
    began = time.monotonic()
    yield Stage("encode")
    broken: list[tuple[TrainImage, str]] = []
    yield from cache.fill(data.images, broken)
    data = data.without(broken)
    yield from data.skipped
    if not data.images:
        raise UserError("No image of the dataset can be read.", "See the reasons above.")
    if group.size > 1:
        torch.distributed.barrier()
    yield Stage("encode", True, round(time.monotonic() - began, 2), f"{len(data.images)} images")
    return data


def _check_sizes(data: Dataset, factor: int) -> None:
    for image in data.images:
        width, height = image.fit.bucket
        if width % factor or height % factor:
            raise UserError(
                f"The bucket {width}x{height} does not fit the base model.",
                f"Make resolution and bucket_reso_steps multiples of {factor}.",
            )


def _network(model: StableDiffusion15, settings: TrainSettings) -> LoraNetwork:
    """Build a LoRA that changes nothing yet and attach it."""
    targets = model.targets(text=settings.train_text_encoder, conv=settings.conv_rank > 0)
    ranks = Ranks(settings.rank, settings.alpha, settings.conv_rank, settings.conv_alpha)
    network = LoraNetwork.fresh(targets, ranks, dropout=settings.dropout, seed=settings.seed)
    return network.to(model.policy.device).attach(targets)


def _optimizer(
    network: LoraNetwork, settings: TrainSettings, device: torch.device
) -> torch.optim.AdamW:
    """Make AdamW with a group for each part; ``initial_lr`` is what schedules multiply."""
    rates = {
        UNET_PREFIX: settings.learning_rate,
        TEXT_PREFIX: settings.text_encoder_learning_rate or settings.learning_rate,
    }
    groups: list[dict[str, Any]] = [
        {"params": weights, "lr": rate, "initial_lr": rate}
        for prefix, rate in rates.items()
        if (weights := network.weights(prefix))
    ]
    return torch.optim.AdamW(
        groups, weight_decay=settings.weight_decay, fused=device.type == "cuda"
    )


def _resume(
    state: Path, network: LoraNetwork, optimizer: torch.optim.Optimizer, data: Dataset
) -> Generator[Event, None, Counters]:
    counters = load_state(state, network, optimizer)
    yield Stage("resume", True, note=f"from step {counters.step}")
    if counters.dataset != data.fingerprint:
        yield Warned(
            "The dataset has changed since this run was interrupted.",
            "It goes on with the new one; the result is not that of an uninterrupted run.",
        )
    return replace(counters, dataset=data.fingerprint)


def _warnings(data: Dataset, texts: Texts, settings: TrainSettings) -> Generator[Event, None, None]:
    cut = texts.too_long([image.caption for image in data.images])
    if cut:
        yield Warned(
            f"{len(cut)} captions are longer than {settings.max_token_length} tokens; "
            f"their ends are cut off, as of: {cut[0][:60]}…",
            "Raise max_token_length, or shorten them.",
        )
    for size in {part.batch_size for part in data.parts} - {None, settings.batch_size}:
        yield Warned(
            f"The dataset file says batch_size {size}; the run uses {settings.batch_size}.",
            "The settings of the run go over the dataset file.",
        )


def _pictures(run: RunConfig, data: Dataset) -> tuple[ImageSpec, ...]:
    """Return the samples of the run, every choice made."""
    train = run.train
    width, height = data.parts[0].resolution
    defaults = ImageSpec(
        "", "", width, height, train.seed, train.sample_steps, train.sample_cfg, train.sampler
    )
    defaults = replace(defaults, clip_skip=train.clip_skip)
    prompts = [parse(line) for line in train.sample_prompts]
    if any(prompt.loras for prompt in prompts):
        raise UserError(
            "Prompts drawn during training cannot load other LoRAs.",
            "Remove the <lora:…> tags from sample_prompts.",
        )
    return tuple(ImageSpec.of(prompt, defaults, i) for i, prompt in enumerate(prompts))


def _facts(model: StableDiffusion15, counters: Counters, held_out: int) -> Facts:
    unet = model.unet_file()
    names = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
    return Facts(
        model.schedule.prediction,
        model.schedule.zero_terminal_snr,
        names[model.policy.dtype],
        file_hash(unet) if unet else "",
        counters.started,
        held_out,
    )
