"""Count the exposures and steps of a training run, and warn about unwise settings."""

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field, ValidationError

from prep import captions, events
from prep.captions.mix import Kind, Pieces, tag_shares
from prep.captions.shuffle import CaptionRules, pieces_of, read_part
from prep.curation.advice.basics import basics
from prep.dataset import stored_crops
from prep.dataset.contents import hash_contents
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.edits import Journal
from prep.dataset.journal.settings_change import settings_change
from prep.errors import ConfigError
from prep.images import crops
from prep.images.crops import Crops, Rect
from prep.language import english
from prep.project import FILE_NAME, Concept, Project, Section
from prep.project.faults import describe_faults
from prep.system.names import known_as
from prep.training_set.exported import exported_contents
from prep.training_set.plan import ConceptPlan, Plan, PlanItem, StepSettings, balance, make_plan
from prep.training_set.plan.breakdown import By, breakdown

_OTHER_DRAWS = (1, 2)
_LIGHTEST, _HEAVIEST = 0.01, 100.0
"""Weights of concepts; beyond them an image would be repeated tens of thousands of times."""
_WORTH_A_WORD = 0.01
"""Share of the steps by which a plan may be off without a note."""
_LACKING = 0.1
"""Share of captions that may lack a part of the mix without a note."""
_PARTS: Mapping[Kind, str] = {
    "tags": "tags",
    "sentence": "a sentence",
    "both": "tags and a sentence",
    "trigger": "the trigger alone",
}
_CURES: Mapping[Kind, str] = {
    "tags": "Tag them: shikomi tag",
    "sentence": "Describe them: shikomi caption",
    "both": "Describe them: shikomi caption",
    "trigger": "Set a trigger: shikomi concept",
}


class PlanSettings(StepSettings):
    """All settings of the [train] table that a plan depends on; the trainer owns them."""

    validation_fraction: float = Field(0.0, ge=0.0, le=0.5)
    """Share of the images held out of training to measure the validation loss; 0 means none."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Decides which images are held out."""
    devices: int = Field(1, ge=1, le=64)
    """Processes, one per GPU."""
    keep_tokens: int | None = Field(None, ge=0)
    """Number of leading tags that stay in place. Default: the trigger word of the concept."""
    caption_mix: dict[Kind, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    """How often each part of a caption is shown."""


class PlanOptions(Section):
    """Try other numbers than those in the project file, and see who is seen how often."""

    batch_size: int | None = Field(None, ge=1, le=1024)
    """Images per batch. Default: that of the project."""
    gradient_accumulation: int | None = Field(None, ge=1, le=1024)
    """Batches per optimiser step. Default: that of the project."""
    epochs: int | None = Field(None, ge=1, le=100_000)
    """Number of epochs. Default: that of the project."""
    max_steps: int | None = Field(None, ge=0)
    """Maximum number of optimiser steps; 0 for no limit. Default: that of the project."""
    processes: int | None = Field(None, ge=1, le=1024)
    """Number of devices that train in parallel. Default: devices of [train]."""
    validation_fraction: float | None = Field(None, ge=0.0, le=0.5)
    """Fraction of the images held out for validation. Default: that of the project."""
    by: By | None = None
    """List the exposures per epoch by concept, bucket, image or tag."""
    balance: bool = False
    """Propose repeats with which every concept is shown about equally often."""
    weight: dict[str, float] = Field(default_factory=dict)
    """With --balance: show a concept more often than the others by this factor, e.g.
    --weight.10_mychara 2; repeatable."""
    apply: bool = False
    """With --balance: write the proposed repeats to shikomi.toml; folders are not renamed."""


def step_settings(project: Project, options: PlanOptions | None = None) -> PlanSettings:
    """Return the step settings of the [train] table, with the overrides of ``options``.

    Raises:
        ConfigError: One of them is not valid; the other keys belong to the trainer.
    """
    names = PlanSettings.model_fields
    table: Mapping[str, Any] = project.settings.train
    given = {name: table[name] for name in names if name in table}
    if options is not None:
        chosen = options.model_dump(exclude_none=True)
        given |= {name: chosen[name] for name in names if name in chosen}
    try:
        return PlanSettings.model_validate(given)
    except ValidationError as error:
        faults = "; ".join(f"train.{fault}" for fault in describe_faults(error, PlanSettings))
        raise ConfigError(f"{project.root / FILE_NAME}: {faults}") from error


def plan_of(
    project: Project,
    rows: Sequence[ImageRow],
    options: PlanOptions | None = None,
    contents: Sequence[str] | None = None,
    draw: int = 0,
) -> Plan:
    """Return the plan for these images, which must be readable.

    Args:
        project: The project; its crops count as separate images.
        rows: The images.
        options: Overrides.
        contents: Hashes of the exported pictures, one for each crop of each image; without them
            the held-out images are drawn from the source files.
        draw: Another number draws other held-out images, to see how much depends on that.

    Raises:
        ConfigError: As in ``step_settings``.
    """
    settings = step_settings(project, options)
    boxes = stored_crops.stored(project)
    read = _tags_reader(settings) if options is not None and options.by == "tag" else _no_tags
    items: list[PlanItem] = []
    concepts = {folder: project.concept(folder) for folder in {row.folder for row in rows}}
    for row in rows:
        for rect in _parts(row, boxes):
            content = contents[len(items)] if contents else f"{row.content} {rect.corners}"
            tags = read(row, concepts[row.folder])
            items.append(_item(concepts[row.folder], row, rect.size, content, tags))
    processes = (options.processes if options else None) or settings.devices
    fraction = settings.validation_fraction
    return make_plan(items, project.buckets, settings, processes, fraction, settings.seed + draw)


def _parts(row: ImageRow, boxes: Crops) -> list[Rect]:
    """Return the training images of an image, fast for images without crops."""
    size = (row.width, row.height)
    return crops.rects(boxes[row.path], size) if row.path in boxes else [Rect(0, 0, *size)]


Tags = tuple[tuple[str, float], ...]


def _no_tags(_row: ImageRow, _concept: Concept) -> Tags:
    return ()


def _tags_reader(settings: PlanSettings) -> Callable[[ImageRow, Concept], Tags]:
    """Return what reads the tags of an image, with the share of exposures that shows each."""

    def read(row: ImageRow, concept: Concept) -> Tags:
        if settings.caption_mix and (pieces := mixed_pieces(row.caption or "", concept, settings)):
            return tuple(tag_shares(pieces, tuple(settings.caption_mix.items())).items())
        return tuple((tag, 1.0) for tag in row.tags)

    return read


def mixed_pieces(caption: str, concept: Concept, settings: PlanSettings) -> Pieces | None:
    """Return what ``caption_mix`` chooses from; ``None`` where there is no caption."""
    keep = settings.keep_tokens
    kept = len(captions.split(concept.trigger)) if keep is None else keep
    rules = CaptionRules(keep_tokens=kept, mix=tuple(settings.caption_mix.items()))
    text = read_part(caption, rules)
    return pieces_of(text, rules) if text else None


def _mix_advice(
    project: Project, rows: Sequence[ImageRow], settings: PlanSettings
) -> Iterator[events.Event]:
    """Warn of parts in caption_mix that many captions do not have."""
    shares = {kind: share for kind, share in settings.caption_mix.items() if share}
    lacking, described = Counter[Kind](), 0
    for row in rows if shares else ():
        pieces = mixed_pieces(row.caption or "", project.concept(row.folder), settings)
        if pieces:
            described += 1
            lacking.update(kind for kind in shares if not pieces.has(kind))
    for kind, share in shares.items():
        if lacking[kind] > _LACKING * described:
            yield events.Warned(
                english(
                    "caption_mix shows {part} in {share} of the exposures, and {count} of {total}"
                    " captions has none, where its share goes to the others.",
                    "caption_mix shows {part} in {share} of the exposures, and {count} of {total}"
                    " captions have none, where its share goes to the others.",
                    lacking[kind],
                    part=_PARTS[kind],
                    share=f"{share:.0%}",
                    total=described,
                ),
                _CURES[kind],
            )


def _item(
    concept: Concept, row: ImageRow, size: tuple[int, int], content: str, tags: Tags
) -> PlanItem:
    return PlanItem(
        concept.name,
        concept.repeats,
        size,
        concept.settings.regularization,
        content,
        row.path,
        tags,
        row.folder,
    )


def run(project: Project, options: PlanOptions | None = None) -> Iterator[events.Event]:
    """Plan a run with the usable images.

    Yields:
        Concept for each concept; Exposure lines if ``by`` is set; Proposal for each concept
        with ``balance``; Warned with advice; Finished with ``images``, ``exposures`` (per epoch),
        ``held_out``, ``steps_per_epoch``, ``epochs``, ``steps`` and ``arithmetic`` (lines), and
        with ``balance`` also ``balanced_steps``, ``balanced_epochs`` (which take about as long as
        now) and ``saved``.

    Raises:
        ConfigError: The [train] table, a weight or a combination of options is not valid.
    """
    options = options or PlanOptions()
    if options.apply and not options.balance:
        raise ConfigError("--apply requires --balance.", "Add --balance.")
    if options.weight and not options.balance:
        raise ConfigError("--weight requires --balance.", "Add --balance.")
    plan_settings = step_settings(project, options)
    splits = plan_settings.validation_fraction > 0
    of_rows: list[str] | None = None
    with Index(project) as index:
        if splits:
            yield from hash_contents(index, index.each_usable())
        usable = index.usable()
    # Like the export: images with unreadable captions are left out.
    rows = [row for row in usable if row.caption_error is None]
    if splits:
        of_rows = exported_contents(project, rows)
    plan = plan_of(project, rows, options, of_rows)
    for line in plan.concepts:
        yield events.Concept(
            line.name, line.images, line.repeats, line.exposures, line.held_out, line.folder
        )
    if options.by is not None:
        yield from breakdown(plan, options.by)
    summary = _summary(plan, len(rows))
    if options.balance:
        summary |= yield from _balance(project, rows, options, plan, of_rows)
    for advice in basics(project, usable):
        yield events.Warned(advice.message, advice.hint)
    yield from _mix_advice(project, rows, plan_settings)
    if splits and of_rows is None:
        yield from _uncertainty(project, rows, options, plan)
    yield events.Finished(summary)


def held_out_parts(project: Project) -> list[bool]:
    """Return which training images are held out of training, in the order of the list.

    Reads the contents of images that were not read before.

    Raises:
        ConfigError: The [train] table is not valid.
    """
    with Index(project) as index:
        for _ in hash_contents(index, index.each_usable()):
            pass
        rows = [row for row in index.usable() if row.caption_error is None]
    plan = plan_of(project, rows, contents=exported_contents(project, rows))
    return [seen.held_out for seen in plan.seen]


def _uncertainty(
    project: Project, rows: Sequence[ImageRow], options: PlanOptions, plan: Plan
) -> Iterator[events.Event]:
    """Warn by how much the steps may differ, if relevant.

    The trainer draws the held-out images from the exported files, which do not exist yet or are
    outdated. Usually it does not matter which ones are drawn.
    """
    others = [plan_of(project, rows, options, draw=draw).steps for draw in _OTHER_DRAWS]
    apart = max(abs(steps - plan.steps) for steps in others)
    if apart > _WORTH_A_WORD * plan.steps:
        yield events.Warned(
            f"The steps may differ by about {apart}: the held-out images are chosen from the"
            " exported files.",
            "For exact numbers, export first: shikomi export",
        )


def _summary(plan: Plan, images: int) -> dict[str, Any]:
    return {
        "images": images,
        "exposures": plan.exposures,
        "held_out": sum(line.held_out for line in plan.concepts),
        "steps_per_epoch": plan.steps_per_epoch,
        "epochs": plan.epochs,
        "steps": plan.steps,
        "arithmetic": plan.arithmetic,
    }


def _balance(
    project: Project,
    rows: Sequence[ImageRow],
    options: PlanOptions,
    plan: Plan,
    contents: Sequence[str] | None,
) -> Generator[events.Event, None, dict[str, Any]]:
    """Yield proposals; return the values for the summary."""
    concepts = [c for c in plan.concepts if c.matched is None and c.images > c.held_out]
    weights = _weights(concepts, options.weight)
    images = [concept.images - concept.held_out for concept in concepts]
    proposed = balance.balanced(images, [concept.repeats for concept in concepts], weights)
    changes: dict[str, dict[str, int]] = {}
    for concept, count, times in zip(concepts, images, proposed, strict=True):
        before, after = concept.exposures, count * times
        yield events.Proposal(concept.folder, count, concept.repeats, times, before, after)
        if times != concept.repeats:
            changes[concept.folder] = {"repeats": times}
    then = plan_of(with_repeats(project, changes), rows, options, contents)
    if changes and options.apply:
        change, _ = settings_change(project, {"concepts": changes})
        with Index(project) as index:
            Journal(index).apply("balance the repeats", [change])
    as_long = plan.settings.epochs * plan.steps_per_epoch / max(1, then.steps_per_epoch)
    return {
        "balanced_steps": then.steps,
        "balanced_epochs": max(1, round(as_long)),
        "saved": bool(changes) and options.apply,
    }


def with_repeats(project: Project, changes: Mapping[str, Mapping[str, Any]]) -> Project:
    """Return the project as after ``saved``, without writing."""
    sections = dict(project.settings.concepts)
    for folder, change in changes.items():
        sections[folder] = project.concept(folder).settings.model_copy(update=change)
    settings = project.settings.model_copy(update={"concepts": sections})
    return Project(project.root, settings)


def _weights(concepts: Sequence[ConceptPlan], given: Mapping[str, float]) -> list[float]:
    """Return the weight of each concept.

    Raises:
        ConfigError: A weight is for no concept, or is out of range.
    """
    known = [concept.folder for concept in concepts]
    weights = {}
    for folder, weight in given.items():
        name = known_as(folder, known)
        if name is None:
            raise ConfigError(f"There is no concept folder {folder}.", f"Known: {', '.join(known)}")
        if not _LIGHTEST <= weight <= _HEAVIEST:
            raise ConfigError(
                f"The weight of {folder} cannot be {weight:g}.",
                f"Give a weight from {_LIGHTEST:g} to {_HEAVIEST:g}.",
            )
        weights[name] = weight
    return [weights.get(folder, 1.0) for folder in known]
