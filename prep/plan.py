"""Repeats, exposures and steps, with the arithmetic shown.

Steps of an epoch are counted as sd-scripts does (``library/train_util.py``): each
bucket gives ceil(images x repeats / batch) batches, the last one short; batches are then divided
among processes and accumulated.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import Field

from prep.buckets import Buckets, Size
from prep.project import Section


class StepSettings(Section):
    """The training settings that decide the number of steps."""

    batch_size: int = Field(2, ge=1, le=1024)
    """Images per batch and device."""
    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per optimiser step."""
    epochs: int = Field(10, ge=1, le=100_000)
    """Rounds over all images x repeats."""
    max_steps: int = Field(0, ge=0)
    """Stop after this many optimiser steps; 0 means that the epochs decide."""


@dataclass(frozen=True)
class ConceptPlan:
    """One concept: what is seen per epoch."""

    name: str
    images: int
    repeats: int

    @property
    def exposures(self) -> int:
        """Images seen in an epoch."""
        return self.images * self.repeats


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a run.

    Attributes:
        concepts: One per folder, in name order.
        batches: Batches of an epoch, per bucket (width, height).
        steps_per_epoch: Optimiser steps of an epoch.
        steps: Optimiser steps of the run.
        epochs: Epochs begun in the run.
    """

    concepts: tuple[ConceptPlan, ...]
    batches: Mapping[Size, int]
    steps_per_epoch: int
    steps: int
    epochs: int
    settings: StepSettings
    processes: int = 1

    @property
    def arithmetic(self) -> list[str]:
        """The sums, one line each, for people."""
        exposures = sum(concept.exposures for concept in self.concepts)
        total = sum(self.batches.values())
        batch, gather = self.settings.batch_size, self.settings.gradient_accumulation
        lines = [
            f"{c.name}: {c.images} images x {c.repeats} repeats = {c.exposures} exposures"
            for c in self.concepts
        ]
        lines.append(
            f"{exposures} exposures in {len(self.batches)} buckets, batch {batch}: "
            f"{total} batches per epoch (each bucket rounded up)"
        )
        if gather * self.processes > 1:
            lines.append(
                f"{total} batches / ({self.processes} devices x {gather} accumulated) = "
                f"{self.steps_per_epoch} steps per epoch"
            )
        run = f"{self.steps_per_epoch} steps x {self.settings.epochs} epochs = "
        run += f"{self.steps_per_epoch * self.settings.epochs} steps"
        if self.settings.max_steps:
            run += f", ended by max_steps at {self.steps}"
        return [*lines, run]


@dataclass(frozen=True)
class Item:
    """One image for planning: its concept, repeats and size (width, height) in pixels."""

    concept: str
    repeats: int
    size: Size


def make_plan(
    items: Iterable[Item], buckets: Buckets, settings: StepSettings, processes: int = 1
) -> Plan:
    """Count exposures, batches and steps.

    Example:
        >>> items = [Item("mochi", 10, (512, 512))] * 3 + [Item("mochi", 10, (512, 1024))]
        >>> plan = make_plan(items, Buckets((512, 512)), StepSettings(batch_size=4, epochs=2))
        >>> plan.steps_per_epoch, plan.steps
        (11, 22)
    """
    images: Counter[tuple[str, int]] = Counter()
    seen: Counter[Size] = Counter()
    for item in items:
        images[item.concept, item.repeats] += 1
        seen[buckets.fit(item.size).bucket] += item.repeats
    batches = {size: math.ceil(count / settings.batch_size) for size, count in sorted(seen.items())}
    shared = math.ceil(sum(batches.values()) / processes)
    per_epoch = math.ceil(shared / settings.gradient_accumulation)
    steps = per_epoch * settings.epochs
    if settings.max_steps:
        # As in sd-scripts, epochs are only a ceiling when no step count is given; here the
        # smaller wins, so that neither setting is ignored.
        steps = min(steps, settings.max_steps)
    concepts = tuple(ConceptPlan(name, n, r) for (name, r), n in sorted(images.items()))
    epochs = math.ceil(steps / per_epoch) if per_epoch else 0
    return Plan(concepts, batches, per_epoch, steps, epochs, settings, processes)
