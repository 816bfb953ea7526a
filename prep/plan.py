"""Repeats, exposures and steps, with the arithmetic shown.

Steps of an epoch are counted as sd-scripts does (``library/train_util.py``): each
bucket gives ceil(images x repeats / batch) batches, the last one short; batches are then divided
among processes and accumulated.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
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
    """One concept: what is seen per epoch.

    Attributes:
        matched: For regularisation images the exposures they are repeated or cut to, else
            ``None``.
    """

    name: str
    images: int
    repeats: int
    matched: int | None = None

    @property
    def exposures(self) -> int:
        """Images seen in an epoch."""
        return self.images * self.repeats if self.matched is None else self.matched

    @property
    def arithmetic(self) -> str:
        """The sum, for people."""
        if self.matched is None:
            sum_ = f"{self.images} images x {self.repeats} repeats = {self.exposures} exposures"
            return f"{self.name}: {sum_}"
        return (
            f"{self.name}: {self.images} regularisation images, repeated or cut to "
            f"{self.exposures} exposures to match the others"
        )


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
        lines = [concept.arithmetic for concept in self.concepts]
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
    regularization: bool = False


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
    items = list(items)
    counts = _exposures(items)
    images: Counter[tuple[str, int, bool]] = Counter()
    matched: Counter[tuple[str, int, bool]] = Counter()
    seen: Counter[Size] = Counter()
    for item, count in zip(items, counts, strict=True):
        concept = (item.concept, item.repeats, item.regularization)
        images[concept] += 1
        matched[concept] += count
        seen[buckets.fit(item.size).bucket] += count
    batches = {
        size: math.ceil(count / settings.batch_size)
        for size, count in sorted(seen.items())
        if count
    }
    shared = math.ceil(sum(batches.values()) / processes)
    per_epoch = math.ceil(shared / settings.gradient_accumulation)
    steps = per_epoch * settings.epochs
    if settings.max_steps:
        # As in sd-scripts, epochs are only a ceiling when no step count is given; here the
        # smaller wins, so that neither setting is ignored.
        steps = min(steps, settings.max_steps)
    concepts = tuple(
        ConceptPlan(key[0], count, key[1], matched[key] if key[2] else None)
        for key, count in sorted(images.items())
    )
    epochs = math.ceil(steps / per_epoch) if per_epoch else 0
    return Plan(concepts, batches, per_epoch, steps, epochs, settings, processes)


def _exposures(items: Sequence[Item]) -> list[int]:
    """Return how often each image is seen per epoch.

    Regularisation images are repeated, or cut, until they are seen as often as all the others
    together (sd-scripts ``DreamBoothDataset``): first as often as their repeats say, in order,
    then once more each, round after round. Without any others they count as they are.
    """
    counts = [0 if item.regularization else item.repeats for item in items]
    wanted = sum(counts)
    regular = [index for index, item in enumerate(items) if item.regularization]
    if not regular or not wanted:
        return [item.repeats for item in items]
    given = 0
    while given < wanted:
        for index in regular:
            more = 1 if counts[index] else items[index].repeats
            counts[index] += more
            given += more
            if given >= wanted:
                break
    return counts
