"""Does a run fit into memory, and if not, which is the cheapest change that makes it fit?"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from prep.errors import UserError
from prep.events import Event, Finished, Stage
from prep.project import Project
from train.arithmetic.precision import choose, default_device
from train.config import RunConfig, TrainSettings
from train.families.base_model import BaseModel
from train.families.opening import opened_base
from train.memory_plan.options import MemoryOptions
from train.memory_plan.peak import MemoryPeak, Place
from train.memory_plan.remembered import known_peak

GIB = 2**30
_PROCESS = GIB // 2
"""Taken by the libraries themselves: the CUDA context on a GPU, the interpreter on a CPU."""
_SLACK = 1.05
"""torch's allocator keeps blocks that are free and do not fit what is asked for."""


@dataclass(frozen=True)
class Fit:
    """Settings with the memory that they need.

    Attributes:
        changes: What differs from the project's settings, by name.
        peak: What the run needs.
        room: What there is, bytes.
    """

    changes: dict[str, Any]
    peak: MemoryPeak
    room: int

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
        weights, changes (that make it fit; empty when it does) and changed (bytes with them).

    Raises:
        UserError: No base model, one that cannot be opened, or method full.
    """
    if settings.method == "full":
        raise UserError(
            "The memory is calculated for LoRA runs only.",
            "shikomi train says at the start what training the whole model takes.",
        )
    run_config = _run_config(project, settings)
    base = opened_base(run_config)
    if base.family != run_config.family:
        raise UserError(
            f"The project is for {run_config.family}, and {base.name} is a base model of"
            f" {base.family}.",
            "Change family in [project], or choose another base model.",
        )
    room = int(options.card * GIB) if options.card else memory_here()
    first: Fit | None = None
    best: Fit | None = None
    for changes in ladder(settings, run_config):
        best = _measured(project, run_config, base, changes, room, options.card)
        first = first or best
        yield Stage("measure", True, note=f"{told(changes)}: {best.needed / GIB:.1f} GiB")
        if best.fits:
            break
    if first is None or best is None:
        raise AssertionError("the ladder begins with the settings as they are")
    yield Finished(_summary(first, best))


def _summary(first: Fit, best: Fit) -> dict[str, Any]:
    return {
        "room": first.room,
        "needed": first.needed,
        "fits": first.fits,
        "phases": first.peak.phases,
        "weights": first.peak.weights,
        "trained": first.peak.trained,
        "changes": best.changes if best.fits else {},
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


def _measured(
    project: Project,
    run_config: RunConfig,
    base: BaseModel,
    changes: dict[str, Any],
    room: int,
    card: float | None,
) -> Fit:
    settings = run_config.train.model_copy(update=changes)
    changed = run_config.model_copy(update={"train": settings})
    device = default_device()
    dtype = choose(settings.precision, device).dtype
    if card and settings.precision == "auto":
        dtype = torch.bfloat16  # what every card with enough memory computes in
    size = project.buckets.resolution
    drawn = size if settings.sample_prompts else None
    place = Place(dtype, is_cpu=device.type == "cpu" and not card)
    return Fit(changes, known_peak(changed, base, place, size, drawn), room)


def ladder(settings: TrainSettings, run_config: RunConfig) -> Iterator[dict[str, Any]]:
    """Yield changes that save memory, the cheapest first; each includes those before it."""
    changes: dict[str, Any] = {}
    yield dict(changes)
    batch, accumulation = settings.batch_size, settings.gradient_accumulation
    if batch > 1:  # the same result, a little slower
        changes |= {"batch_size": 1, "gradient_accumulation": accumulation * batch}
        yield dict(changes)
    if not settings.gradient_checkpointing:  # the same result, about a quarter slower
        changes["gradient_checkpointing"] = True
        if settings.execution == "graphs":  # excludes it
            changes["execution"] = "eager"
        yield dict(changes)
    rates = settings.rates(run_config.family)
    if any(rate for part, rate in rates.items() if part != "unet"):
        changes["train_text_encoder"] = False
        yield dict(changes)
    if settings.rank > 8:
        changes |= {"rank": 8, "alpha": settings.alpha * 8 / settings.rank}
        yield dict(changes)


def told(changes: dict[str, Any]) -> str:
    """Return changes as ``name = value``."""
    return ", ".join(f"{k} = {str(v).lower()}" for k, v in changes.items()) or "as set"


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
