"""Does a run fit into memory, and if not, which is the cheapest change that makes it fit?"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from prep.events import Event, Finished, Stage
from prep.images.buckets import Size
from prep.project import Project
from train.arithmetic.precision import choose, default_device
from train.config import RunConfig, TrainSettings
from train.families.base_model import BaseModel
from train.families.opening import opened_base, refuse_other_family
from train.memory_plan.options import MemoryOptions
from train.memory_plan.peak import MemoryPeak, Place
from train.memory_plan.remembered import known_peak
from train.settings.model import FamilyName

GIB = 2**30
_PROCESS = GIB // 2
"""Taken by the libraries themselves: the CUDA context on a GPU, the interpreter on a CPU."""
_LEAST_STATE = ("adafactor", "adamw8bit", "lion", "lion8bit")
"""Optimisers that keep less of a weight than AdamW, or as little as Adafactor."""
_SLACK = 1.05
"""torch's allocator keeps blocks that are free and do not fit what is asked for."""


@dataclass(frozen=True)
class Rung:
    """A way to save memory.

    Attributes:
        changes: What differs from the settings, by name.
        at_once: Images of a batch that are computed at once.
    """

    changes: dict[str, Any]
    at_once: int


@dataclass(frozen=True)
class Fit:
    """A rung with the memory that it needs.

    Attributes:
        rung: What differs from the settings.
        peak: What the run needs.
        room: What there is, bytes.
        tiled: Samples are decoded in tiles, as a card does when they do not fit whole.
    """

    rung: Rung
    peak: MemoryPeak
    room: int
    tiled: bool = False

    @property
    def needed(self) -> int:
        """Bytes, with what the libraries take."""
        return int(self.peak.total * _SLACK) + _PROCESS

    @property
    def fits(self) -> bool:
        """Whether it fits."""
        return self.needed <= self.room


def run(project: Project, settings: TrainSettings, options: MemoryOptions) -> Iterator[Event]:
    """Measure a run, and look for the cheapest change that makes it fit.

    Yields:
        A Stage for each measurement; last Finished with room and needed (bytes), fits, phases,
        weights, trained, batch and at_once (how many of its images fit at once, into which a card's
        run divides it), tiled (samples are decoded in tiles), changes (that make it fit; empty
        when it does) and changed (bytes with them).

    Raises:
        UserError: No base model, one that cannot be opened, or one of another family.
    """
    run_config = _run_config(project, settings)
    base = opened_base(run_config)
    refuse_other_family(run_config, base)
    room = int(options.card * GIB) if options.card else memory_here()
    size = project.buckets.resolution
    drawn = size if settings.sample_prompts else None
    place = _place(settings, options.card)
    tried: list[Fit] = []
    for fit in fits(run_config, base, place, size, drawn, room):
        tried.append(fit)
        yield Stage("measure", True, note=f"{told(fit, settings)}: {_gib(fit)}")
        if fit.fits:
            break
    yield Finished(_summary(settings, tried[0], tried[-1]))


def fits(
    run: RunConfig, base: BaseModel, place: Place, bucket: Size, sample: Size | None, room: int
) -> Iterator[Fit]:
    """Yield a run as it is, and then with what saves memory, the cheapest first.

    Args:
        run: The run.
        base: Its base model.
        place: Where it runs.
        bucket: The largest bucket, pixels.
        sample: The largest sample, pixels; ``None`` when none is drawn.
        room: The memory that there is, bytes.
    """
    for rung in ladder(run.train, run.family, divides=not place.is_cpu):
        changes = rung.changes | {"batch_size": rung.at_once}
        changed = run.model_copy(update={"train": run.train.model_copy(update=changes)})
        fit = Fit(rung, known_peak(changed, base, place, bucket, sample), room)
        tiles = not (fit.fits or place.is_cpu) and fit.peak.total > fit.peak.in_tiles().total
        yield replace(fit, peak=fit.peak.in_tiles(), tiled=True) if tiles else fit


def _summary(settings: TrainSettings, first: Fit, best: Fit) -> dict[str, Any]:
    return {
        "room": first.room,
        "needed": first.needed,
        "fits": best.fits and not best.rung.changes,
        "batch": settings.batch_size,
        "at_once": best.rung.at_once,
        "tiled": best.tiled,
        "phases": first.peak.phases,
        "weights": first.peak.weights,
        "trained": first.peak.trained,
        "changes": best.rung.changes if best.fits else {},
        "changed": best.needed,
    }


def _run_config(project: Project, settings: TrainSettings) -> RunConfig:
    place = Path(project.root)
    return RunConfig(
        name=project.name,
        family=project.settings.project.family,
        project=place,
        dataset=place,
        output=place,
        samples=place,
        cache=place,
        train=settings,
    )


def _place(settings: TrainSettings, card: float | None) -> Place:
    device = default_device()
    dtype = choose(settings.precision, device).dtype
    if card and settings.precision == "auto":
        dtype = torch.bfloat16  # what every card with enough memory computes in
    return Place(dtype, is_cpu=device.type == "cpu" and not card)


def ladder(settings: TrainSettings, family: FamilyName, *, divides: bool) -> Iterator[Rung]:
    """Yield what saves memory, the cheapest first; each rung includes those before it.

    Args:
        settings: Of the run.
        family: Of its base model.
        divides: A batch that does not fit divides itself, as on a card. The CPU's memory does not
            say that it runs out: the system ends the run.
    """
    batch, changes = settings.batch_size, dict[str, Any]()
    yield Rung({}, batch)
    if divides:  # the same result, a little slower
        at_once = batch
        while at_once > 1:
            at_once = (at_once + 1) // 2  # as ``MicroBatches.halve``
            yield Rung({}, at_once)
    elif batch > 1:
        changes |= {
            "batch_size": 1,
            "gradient_accumulation": settings.gradient_accumulation * batch,
        }
        yield Rung(dict(changes), 1)
    if not settings.gradient_checkpointing:  # the same result, about a quarter slower
        changes["gradient_checkpointing"] = True
        if settings.execution == "graphs":  # excludes it
            changes["execution"] = "eager"
        yield Rung(dict(changes), 1)
    if settings.train_unet and settings.trains_texts(family):
        changes["train_text_encoder"] = False
        yield Rung(dict(changes), 1)
    for change in _of_weights(settings):
        yield Rung(changes | change, 1)


def _of_weights(settings: TrainSettings) -> Iterator[dict[str, Any]]:
    """Yield what makes the trained weights smaller, or their optimiser."""
    if settings.method == "lora":
        if settings.rank > 8:
            yield {"rank": 8, "alpha": settings.alpha * 8 / settings.rank}
        return
    changes: dict[str, Any] = {}
    if settings.ema_decay:
        changes["ema_decay"] = 0.0
        yield dict(changes)
    own = (settings.betas, settings.eps, settings.optimizer_args or None)
    if settings.optimizer not in _LEAST_STATE and own == (None, None, None):
        # At AdamW's learning rate: its own scaling is off (``settings.optimizers``).
        yield changes | {"optimizer": "adafactor"}
    yield {"method": "lora"}


def told(fit: Fit, settings: TrainSettings) -> str:
    """Return what differs from the settings, as ``name = value``."""
    rung = fit.rung
    changes = [f"{name} = {str(value).lower()}" for name, value in rung.changes.items()]
    if rung.at_once < rung.changes.get("batch_size", settings.batch_size):
        changes.append(f"{rung.at_once} of {settings.batch_size} images at once")
    if fit.tiled:
        changes.append("samples decoded in tiles")
    return ", ".join(changes) or "as set"


def _gib(fit: Fit) -> str:
    return f"{fit.needed / GIB:.1f} GiB"


def memory_here() -> int:
    """Return the memory of the graphics card, or of this computer where there is none; bytes."""
    return card_memory() or computer_memory()


def card_memory() -> int:
    """Return the memory of the graphics card, bytes; 0 where there is none."""
    device = default_device()
    return (
        int(torch.cuda.get_device_properties(device).total_memory) if device.type == "cuda" else 0
    )


def computer_memory() -> int:
    """Return the memory of this computer, bytes; 0 where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError):  # Windows
        return 0
