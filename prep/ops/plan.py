"""Count what a training run will see and how many steps it takes, and say what looks unwise."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field, ValidationError

from prep import captions, events
from prep.errors import ConfigError
from prep.index import ImageRow, Index
from prep.ops.buckets import preview
from prep.plan import Item, Plan, StepSettings, make_plan
from prep.project import FILE_NAME, Concept, Project, Section, describe_faults

FEWEST, RECOMMENDED = 10, 20
"""Images of a concept: below the first a LoRA copies them, from the second on it learns."""


class PlanOptions(Section):
    """Try other numbers than those in the project file; nothing is saved."""

    batch_size: int | None = Field(None, ge=1, le=1024)
    """Images per batch, in place of the project's."""
    gradient_accumulation: int | None = Field(None, ge=1, le=1024)
    """Batches per optimiser step, in place of the project's."""
    epochs: int | None = Field(None, ge=1, le=100_000)
    """Rounds over all images x repeats, in place of the project's."""
    max_steps: int | None = Field(None, ge=0)
    """Stop after this many optimiser steps, in place of the project's; 0 for no limit."""
    processes: int = Field(1, ge=1, le=1024)
    """Devices that train side by side."""


def step_settings(project: Project, options: PlanOptions | None = None) -> StepSettings:
    """Return the step settings of the [train] table, with the overrides of ``options``.

    Raises:
        ConfigError: The table has a fault in one of them; its other keys are the trainer's.
    """
    names = StepSettings.model_fields
    table: Mapping[str, Any] = project.settings.train
    given = {name: table[name] for name in names if name in table}
    if options is not None:
        chosen = options.model_dump(exclude_none=True)
        given |= {name: chosen[name] for name in names if name in chosen}
    try:
        return StepSettings.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(f"train.{fault}" for fault in describe_faults(error, StepSettings))
        raise ConfigError(f"{project.root / FILE_NAME}: {faults}") from error


def plan_of(project: Project, rows: list[ImageRow], options: PlanOptions | None = None) -> Plan:
    """Return the plan for these images, which must be readable.

    Raises:
        ConfigError: As ``step_settings``.
    """
    items = []
    for row in rows:
        concept = project.concept(row.folder)
        regular = concept.settings.regularization
        items.append(Item(concept.name, concept.repeats, (row.width, row.height), regular))
    processes = 1 if options is None else options.processes
    return make_plan(items, project.buckets, step_settings(project, options), processes)


def run(project: Project, options: PlanOptions | None = None) -> Iterator[events.Event]:
    """Plan a run with the usable images.

    Yields:
        Concept for each concept; Warned with advice; Finished with ``images``, ``exposures``
        (per epoch), ``steps_per_epoch``, ``epochs``, ``steps`` and ``arithmetic`` (lines).

    Raises:
        ConfigError: The [train] table has a fault.
    """
    with Index(project) as index:
        rows = index.usable()
    plan = plan_of(project, rows, options)
    for line in plan.concepts:
        yield events.Concept(line.name, line.images, line.repeats, line.exposures)
    yield from _advice(project, rows)
    summary = {
        "images": len(rows),
        "exposures": sum(line.exposures for line in plan.concepts),
        "steps_per_epoch": plan.steps_per_epoch,
        "epochs": plan.epochs,
        "steps": plan.steps,
        "arithmetic": plan.arithmetic,
    }
    yield events.Finished(summary)


def _advice(project: Project, rows: list[ImageRow]) -> Iterator[events.Event]:
    if not rows:
        yield events.Warned("There are no usable images.", f"Put images below {project.dataset}.")
    for folder in sorted({row.folder for row in rows}):
        members = [row for row in rows if row.folder == folder]
        yield from _concept_advice(project.concept(folder), members)
    enlarged = sum(preview(project, row).upscaled for row in rows)
    if enlarged:
        yield events.Warned(
            f"{enlarged} of {len(rows)} images are smaller than their bucket and are enlarged.",
            "Find larger versions, or set no_upscale = true in [buckets]. See: shikomi buckets",
        )


def _concept_advice(concept: Concept, rows: list[ImageRow]) -> Iterator[events.Event]:
    if concept.settings.regularization:
        return
    if len(rows) < FEWEST:
        yield events.Warned(
            f"{concept.name} has {len(rows)} images; a LoRA of so few copies them.",
            f"{RECOMMENDED} to 30 different ones are a good start.",
        )
    elif len(rows) < RECOMMENDED:
        yield events.Warned(
            f"{concept.name} has {len(rows)} images, which is few.",
            f"{RECOMMENDED} to 30 different ones are a good start.",
        )
    bare = sum(row.caption is None for row in rows)
    if bare:
        yield events.Warned(
            f"{bare} of {len(rows)} images of {concept.name} have no caption.",
            "Caption them with: shikomi tag",
        )
    if not concept.trigger:
        yield events.Warned(
            f"{concept.name} has no trigger word: nothing calls it up in a prompt.",
            f'Set trigger in [concepts."{concept.folder}"] of {FILE_NAME}.',
        )
        return
    trigger = captions.key(concept.trigger)
    without = sum(
        row.caption is not None and trigger not in map(captions.key, row.tags) for row in rows
    )
    if without:
        yield events.Warned(
            f"{without} captions of {concept.name} lack the trigger word {concept.trigger}.",
            "Add it with: shikomi edit --rules",
        )
