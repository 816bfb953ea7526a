"""Whether full fine-tuning fits into memory and onto the disk, said before it starts.

A LoRA is small beside its base model; here every weight has a master, a gradient and what the
optimiser keeps for it.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

import torch

from prep.errors import ConfigError, UserError
from prep.events import Event, Stage, Warned
from prep.language import quantity
from train.arithmetic.memory import free_memory
from train.arithmetic.precision import choose
from train.checkpoints.building import empty
from train.checkpoints.components import copies_of
from train.checkpoints.sources import FileSource
from train.config import RunConfig, TrainSettings
from train.data.dataset import Schedule
from train.families.base_model import BaseModel
from train.lora.file import read_header
from train.networks.full import trained_components
from train.networks.model_file import check_base

_KEPT = {
    "adamw": 8,
    "adamw8bit": 2,
    "lion": 4,
    "lion8bit": 1,
    "prodigy": 16,
    "schedulefree": 8,
}
"""Bytes that an optimiser keeps for a weight; of others, AdamW's are assumed. Adafactor's depend on
the shape."""
_MASTER, _GRADIENT, _COPY = 4, 4, 2
_WIDTHS = {"fp16": 2, "bf16": 2, "fp32": 4}
_HIGH_RATE = 2e-5
"""A learning rate above which adamw and its like soon destroy a whole model."""


def state_bytes(shapes: Sequence[torch.Size], settings: TrainSettings) -> int:
    """Return what a state holds of weights: masters, their average, and what the optimiser keeps.

    Args:
        shapes: Of the weights.
        settings: Of the run.

    Example:
        >>> state_bytes([torch.Size([3, 4])], TrainSettings(method="full")) / 12
        12.0
    """
    count = _count(shapes)
    average = _MASTER if settings.ema_decay else 0
    kept = count * _KEPT.get(settings.optimizer, _KEPT["adamw"])
    if settings.optimizer == "adafactor":
        kept = sum(4 * _factored(shape) for shape in shapes)
    return count * (_MASTER + average) + kept


def _factored(shape: torch.Size) -> int:
    """Return how many second moments Adafactor keeps: of rows and columns of the two last axes."""
    if len(shape) < 2:
        return prod(shape)
    return prod(shape[:-1]) + prod(shape[:-2]) * shape[-1]


def trained_bytes(shapes: Sequence[torch.Size], settings: TrainSettings, *, half: bool) -> int:
    """Return the memory of trained weights: their state, their gradients, and copies of them.

    Args:
        shapes: Of the weights.
        settings: Of the run.
        half: The model computes in 16 bits, on copies of the masters.
    """
    return state_bytes(shapes, settings) + _count(shapes) * (_GRADIENT + (_COPY if half else 0))


def weight_shapes(base: BaseModel, components: Sequence[str]) -> list[torch.Size]:
    """Return the shapes of the weights of components."""
    with torch.device("meta"):
        modules = [empty(name, base.configs[name]) for name in components]
    return [weight.shape for module in modules for weight in module.parameters()]


def _count(shapes: Sequence[torch.Size]) -> int:
    return sum(prod(shape) for shape in shapes)


def check_memory(
    base: BaseModel, settings: TrainSettings, device: torch.device, *, half: bool
) -> Iterator[Event]:
    """Compare what the weights take with what is free; activations come on top of it.

    Yields:
        A stage with the figures; on a CPU, which may swap, a warning when it does not fit.

    Raises:
        UserError: It does not fit into the GPU.
    """
    components = trained_components(settings, base.family)
    if not components:
        raise ConfigError("Nothing is trained.", "Set train_unet or train_text_encoder to true.")
    shapes = weight_shapes(base, components)
    count, needed = _count(shapes), trained_bytes(shapes, settings, half=half)
    each = f"{needed / count:.1f}".removesuffix(".0")
    figures = f"{count / 1e6:,.0f} million weights at {each} bytes: {_gib(needed)}"
    yield Stage("memory", True, note=f"{figures}, and the activations")
    free = free_memory(device)
    if free is None or needed <= free:
        return
    message = f"Full fine-tuning does not fit into memory: {figures}, and {_gib(free)} are free."
    hint = 'Set optimizer = "adafactor" (9 to 13 bytes), or train a LoRA: method = "lora".'
    if device.type == "cuda":
        raise UserError(message, hint)
    yield Warned(message, hint)


def rate_warning(settings: TrainSettings) -> Iterator[Warned]:
    """Warn of a learning rate that is a LoRA's."""
    finds_itself = settings.optimizer == "prodigy"
    if settings.learning_rate > _HIGH_RATE and not finds_itself:
        yield Warned(
            f"learning_rate = {settings.learning_rate:g} is a LoRA's: a whole model is soon"
            " destroyed by it.",
            "Full fine-tuning usually takes 1e-6 to 1e-5.",
        )


def disk_warnings(
    run: RunConfig, base: BaseModel, schedule: Schedule, states: Path
) -> Iterator[Warned]:
    """Warn when the files of a run will not fit onto the disk.

    Args:
        run: Its configuration.
        base: Its base model.
        schedule: Says how often it saves.
        states: Folder of its states.
    """
    settings = run.train
    components = trained_components(settings, base.family)
    file = checkpoint_bytes(base, components, settings.save_precision)
    state = state_bytes(weight_shapes(base, components), settings)
    saves = count_saves(settings, schedule)
    kept = min(saves, settings.kept_saves or saves)
    # An old file goes only when the new one is complete.
    files, held = min(saves, kept + 1), min(saves, settings.kept_states + 1)
    needed: dict[int, int] = {}
    free: dict[int, int] = {}
    for folder, size in ((run.output, files * file), (states, held * state)):
        place = next(p for p in (folder, *folder.parents) if p.exists())
        disk = os.stat(place).st_dev  # noqa: PTH116
        needed[disk] = needed.get(disk, 0) + size
        free[disk] = shutil.disk_usage(place).free
    for disk, size in needed.items():
        if size > free[disk]:
            yield Warned(
                f"The disk may become full: {quantity(saves, 'save')} may need up to {_gib(size)}"
                f" at once ({quantity(files, 'file')} of {_gib(file)}, {quantity(held, 'state')} of"
                f" {_gib(state)}), and"
                f" {_gib(free[disk])} are free.",
                "Free some space, raise save_every_epochs, or set it to 0: only the end is saved.",
            )


def count_saves(settings: TrainSettings, schedule: Schedule) -> int:
    """Return how often a run saves."""
    steps, epoch = schedule.steps, schedule.steps_per_epoch
    every = (epoch * settings.save_every_epochs, settings.save_every_steps)
    saved = {step for number in every if number for step in range(number, steps + 1, number)}
    return len(saved | {steps})


def checkpoint_bytes(base: BaseModel, components: Sequence[str], precision: str) -> int:
    """Return how large a saved file becomes; of a folder, at most."""
    trained = _count(weight_shapes(base, components)) * _WIDTHS[precision]
    source = base.source
    if isinstance(source, FileSource) and source.path.suffix.lower() == ".safetensors":
        moved = {c.source for n in components for c in copies_of(source.file, n, base.configs[n])}
        entries = read_header(source.path).tensors.items()
        spans = [entry["data_offsets"] for name, entry in entries if name not in moved]
        kept: int = sum(end - start for start, end in spans)
        return trained + kept
    every = ("unet", "vae", *base.text_encoders)
    others = [name for name in every if name not in components]
    return trained + _count(weight_shapes(base, others)) * _WIDTHS["fp32"]


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def check_whole_model(
    base: BaseModel, settings: TrainSettings, device: torch.device
) -> Iterator[Event]:
    """Refuse to train a whole model that cannot be saved again, or does not fit.

    Raises:
        UserError: It is so.
    """
    if settings.method == "full":
        check_base(base)
        half = choose(settings.precision, device).dtype != torch.float32
        yield from check_memory(base, settings, device, half=half)


def whole_model_warnings(
    run: RunConfig, base: BaseModel, schedule: Schedule, folder: Path
) -> Iterator[Event]:
    """Warn of a rate that destroys a whole model, and of a disk that its files may fill."""
    if run.train.method == "full":
        yield from rate_warning(run.train)
        yield from disk_warnings(run, base, schedule, folder)
