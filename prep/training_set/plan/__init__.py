"""The plan of a run: repeats, exposures and steps, with the arithmetic shown.

Steps of an epoch are counted as sd-scripts does (``library/train_util.py``): each
bucket gives ceil(images x repeats / batch) batches, the last one short; batches are then divided
among processes and accumulated. Images that are held out for validation are never trained on.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import Field

from prep.images.buckets import Buckets, Size
from prep.language import quantity
from prep.project import Section
from prep.training_set.plan.split import exposures, held_out


class StepSettings(Section):
    """The training settings that determine the number of steps."""

    batch_size: int = Field(2, ge=1, le=1024)
    """Images per batch and device."""
    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per optimiser step."""
    epochs: int = Field(10, ge=1, le=100_000)
    """Passes over all images x repeats."""
    max_steps: int = Field(0, ge=0)
    """Stop after this many optimiser steps; 0 for the number given by the epochs."""


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One training image for planning: an image, or a crop of one.

    Attributes:
        concept: Name of the concept, for display.
        repeats: Configured repeats.
        size: Width and height, pixels.
        content: Identifies the picture when some are held out; ``path`` if empty.
        path: Path of the image; crops of one image share it.
        tags: Tags of its caption, with the share of its exposures in which each is shown.
        folder: Folder of the concept; concepts with the same name in two folders stay separate.
    """

    concept: str
    repeats: int
    size: Size
    regularization: bool = False
    content: str = ""
    path: str = ""
    tags: tuple[tuple[str, float], ...] = ()
    folder: str = ""


@dataclass(frozen=True, slots=True)
class PlannedImage:
    """One training image in the plan: its bucket, and its exposures per epoch.

    Attributes:
        exposures: Times per epoch; 0 if held out, or an unneeded regularisation image.
    """

    item: PlanItem
    bucket: Size
    exposures: int
    held_out: bool


@dataclass(frozen=True)
class ConceptPlan:
    """One concept: its images and exposures per epoch.

    Attributes:
        images: Training images, including those held out.
        matched: For regularisation images the exposures they are repeated or cut to, else
            ``None``.
        held_out: Number of images used only for validation.
    """

    name: str
    images: int
    repeats: int
    matched: int | None
    held_out: int
    folder: str

    @property
    def exposures(self) -> int:
        """Exposures per epoch."""
        trained = self.images - self.held_out
        return trained * self.repeats if self.matched is None else self.matched

    @property
    def arithmetic(self) -> str:
        """The arithmetic, for display."""
        if self.matched is not None:
            return (
                f"{self.name}: {quantity(self.images, 'regularisation image')}, repeated or cut to "
                f"{quantity(self.exposures, 'exposure')} to match the others"
            )
        images = quantity(self.images, "image")
        if self.held_out:
            images = f"({images} - {self.held_out} held out)"
        return (
            f"{self.name}: {images} x {quantity(self.repeats, 'repeat')} "
            f"= {quantity(self.exposures, 'exposure')}"
        )


@dataclass(frozen=True)
class Plan:
    """The arithmetic of a run.

    Attributes:
        concepts: One per folder, in name order.
        exposed: Exposures of an epoch, per bucket (width, height).
        steps_per_epoch: Optimiser steps of an epoch.
        steps: Optimiser steps of the run.
        epochs: Epochs begun in the run.
        seen: One per training image, in the given order; none where only numbers are wanted.
    """

    concepts: tuple[ConceptPlan, ...]
    exposed: Mapping[Size, int]
    steps_per_epoch: int
    steps: int
    epochs: int
    settings: StepSettings
    processes: int
    seen: tuple[PlannedImage, ...]

    @property
    def exposures(self) -> int:
        """Exposures per epoch."""
        return sum(concept.exposures for concept in self.concepts)

    @property
    def batches(self) -> dict[Size, int]:
        """Batches of an epoch, per bucket."""
        size = self.settings.batch_size
        return {bucket: math.ceil(count / size) for bucket, count in self.exposed.items()}

    @property
    def arithmetic(self) -> list[str]:
        """The arithmetic, one line per sum, for display."""
        lines = [concept.arithmetic for concept in self.concepts]
        lines.append(self._batch_sum())
        if self.settings.gradient_accumulation * self.processes > 1:
            lines.append(self._step_sum())
        epoch, epochs = self.steps_per_epoch, self.settings.epochs
        run = (
            f"{quantity(epoch, 'step')} x {quantity(epochs, 'epoch')}"
            f" = {quantity(epoch * epochs, 'step')}"
        )
        if self.settings.max_steps:
            run += f", ended by max_steps at {self.steps}"
        return [*lines, run]

    def _batch_sum(self) -> str:
        batch, total = self.settings.batch_size, sum(self.batches.values())
        short = sum(count % batch > 0 for count in self.exposed.values())
        remark = "each bucket rounded up"
        if short:
            remark = f"each bucket rounded up: {quantity(short, 'batch', 'batches')} not full"
        return (
            f"{quantity(self.exposures, 'exposure')} in {quantity(len(self.batches), 'bucket')},"
            f" batch {batch}: {quantity(total, 'batch', 'batches')} per epoch ({remark})"
        )

    def _step_sum(self) -> str:
        gather, total = self.settings.gradient_accumulation, sum(self.batches.values())
        window = self.processes * gather
        line = (
            f"{quantity(total, 'batch', 'batches')} / ({quantity(self.processes, 'device')}"
            f" x {gather} accumulated) = {quantity(self.steps_per_epoch, 'step')} per epoch, "
            f"of up to {window} x {self.settings.batch_size} = "
            f"{window * self.settings.batch_size} images"
        )
        rest = total % window
        return line + (
            f"; the last one gathers only {quantity(rest, 'batch', 'batches')}" if rest else ""
        )


def make_plan(
    items: Iterable[PlanItem],
    buckets: Buckets,
    settings: StepSettings,
    processes: int = 1,
    validation_fraction: float = 0.0,
    seed: int = 42,
) -> Plan:
    """Count exposures, batches and steps.

    Args:
        items: All training images.
        buckets: Buckets into which they are placed.
        settings: Settings that determine the number of steps.
        processes: Devices that train in parallel.
        validation_fraction: Share of the pictures that is held out of training, 0 to 0.5.
        seed: Seed of the choice, as in the trainer.

    Example:
        >>> items = [PlanItem("mochi", 10, (512, 512))] * 3 + [PlanItem("mochi", 10, (512, 1024))]
        >>> plan = make_plan(items, Buckets((512, 512)), StepSettings(batch_size=4, epochs=2))
        >>> plan.steps_per_epoch, plan.steps
        (11, 22)
    """
    seen = _seen(list(items), buckets, validation_fraction, seed)
    counts: Counter[Size] = Counter()
    for image in seen:
        counts[image.bucket] += image.exposures
    return counted(_concepts(seen), counts, settings, processes, tuple(seen))


def counted(
    concepts: tuple[ConceptPlan, ...],
    counts: Mapping[Size, int],
    settings: StepSettings,
    processes: int,
    seen: tuple[PlannedImage, ...] = (),
) -> Plan:
    """Count batches and steps.

    Args:
        concepts: The concepts.
        counts: Exposures of an epoch, per bucket; buckets without any are left out.
        settings: Settings that determine the number of steps.
        processes: Devices that train in parallel.
        seen: The training images.
    """
    exposed = {size: count for size, count in sorted(counts.items()) if count}
    batches = sum(math.ceil(count / settings.batch_size) for count in exposed.values())
    shared = math.ceil(batches / processes)
    per_epoch = math.ceil(shared / settings.gradient_accumulation)
    steps = per_epoch * settings.epochs
    if settings.max_steps:
        # In sd-scripts, epochs count only if no step count is given; here the
        # smaller number wins, so that neither setting is ignored.
        steps = min(steps, settings.max_steps)
    epochs = math.ceil(steps / per_epoch) if per_epoch else 0
    return Plan(concepts, exposed, per_epoch, steps, epochs, settings, processes, seen)


def _seen(
    items: list[PlanItem], buckets: Buckets, fraction: float, seed: int
) -> list[PlannedImage]:
    """Place every image and count its exposures, in the order of the trainer.

    Regularisation images are matched to all other images before any are held out.
    """
    counts = exposures([i.repeats for i in items], [i.regularization for i in items])
    held = held_out((_picture(i) for i in items if not i.regularization), fraction, seed)
    bucket = {size: buckets.fit(size).bucket for size in {item.size for item in items}}
    seen = []
    for item, count in zip(items, counts, strict=True):
        # Copies of a held-out picture are not trained on either.
        out = _picture(item) in held
        seen.append(PlannedImage(item, bucket[item.size], 0 if out else count, out))
    return seen


def _picture(item: PlanItem) -> str:
    return item.content or item.path


def _concepts(seen: Iterable[PlannedImage]) -> tuple[ConceptPlan, ...]:
    images: Counter[tuple[str, str, int, bool]] = Counter()
    held, shown = images.copy(), images.copy()
    for image in seen:
        item = image.item
        key = (item.concept, item.folder, item.repeats, item.regularization)
        images[key] += 1
        held[key] += image.held_out
        shown[key] += image.exposures
    return tuple(
        ConceptPlan(name, count, repeats, shown[key] if regular else None, held[key], folder)
        for key, count in sorted(images.items())
        for name, folder, repeats, regular in (key,)
    )
