"""LoRAs added up, into a LoRA or into a model; of one LoRA, its sum of another rank.

A strength means what it means in a prompt: what a file adds at this strength is what becomes part
of the sum. (sd-scripts' ``merge_lora.py`` multiplies both matrices by it, which adds its square.)
"""

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prep.errors import ConfigError
from prep.events import Event, Finished, Progress, Written
from prep.project import Project
from train.families.base_model import BaseModel
from train.hub import named_model, obtain_model
from train.lora.layout import Shape
from train.lora.streaming import write_tensors
from train.merging.inputs import LoraInput, base_of, shapes_for
from train.merging.options import MergeOptions, ResizeOptions
from train.merging.sums import ModuleSum, NewLora, Part, build, summed_bias, summed_change
from train.merging.weights import Edit, ModelWeights
from train.merging.written import common_metadata, describe, names_of, new_file, write_lora
from train.networks.delta import MAGNITUDES
from train.networks.model_file import check_base
from train.sampling.loras import find_lora, find_with_strength, shown

Chosen = Sequence[tuple[Path, float]]
"""LoRA files with their strengths."""


def merge(project: Project, options: MergeOptions) -> Iterator[Event]:
    """Merge LoRAs into one, or into a model.

    Yields:
        What downloading a model yields, if it is one of the hub and not on the disk; Progress,
        Written, and Finished with file, loras, modules, rank and kept: the share of the sum, by its
        squares, that a lower rank keeps.

    Raises:
        UserError: A LoRA is missing, does not fit, or cannot be joined exactly and no rank is
            given.
    """
    chosen = [find_with_strength(text, project) for text in options.lora]
    if len(chosen) < (1 if options.into else 2):
        raise ConfigError(
            "There is nothing to merge.",
            "Name two LoRAs or more with --lora NAME:STRENGTH, or one and --into MODEL.",
        )
    if options.into and options.rank:
        raise ConfigError("A model has no rank.", "Omit --rank, or --into.")
    if model := options.into or options.base:
        yield from obtain_model(model, project.root)
    if options.into:
        yield from _into_model(project, options, chosen)
        return
    name = "+".join(file.stem for file, _ in chosen)
    path = new_file(project, options.out, "lora", name)
    files, made = yield from _added(project, options.base, chosen, options.rank)
    origin = common_metadata([file.metadata for file in files])
    origin["modelspec.merged_from"] = names_of(chosen)
    metadata = describe(path, made.modules, files[0].family, origin)
    write_lora(path, made.modules, metadata, options.precision)
    yield Written(shown(path, project))
    yield Finished(_summary(path, project, chosen, len(made.modules), made))


def resize(project: Project, options: ResizeOptions) -> Iterator[Event]:
    """Give a LoRA another rank.

    Yields:
        As ``merge``.

    Raises:
        UserError: The LoRA is missing or does not fit, or neither rank nor keep is given.
    """
    if not options.lora:
        raise ConfigError("No LoRA is named.", "Name one with --lora.")
    if options.rank is None and options.keep == 1:
        raise ConfigError(
            "Neither --rank nor --keep is given.", "Example: --rank 8, or --keep 0.95."
        )
    file = find_lora(options.lora, project)
    if options.base:
        yield from obtain_model(options.base, project.root)
    path = new_file(project, options.out, "lora", f"{file.stem}-resized")
    chosen = [(file, 1.0)]
    files, made = yield from _added(project, options.base, chosen, options.rank, options.keep)
    metadata = describe(path, made.modules, files[0].family, files[0].metadata)
    write_lora(path, made.modules, metadata, options.precision)
    yield Written(shown(path, project))
    yield Finished(_summary(path, project, chosen, len(made.modules), made))


def _added(
    project: Project, named: str, chosen: Chosen, rank: int | None, keep: float = 1.0
) -> Generator[Event, None, tuple[list[LoraInput], NewLora]]:
    """Add LoRAs up; returns the files that were read, and the sum."""
    base = base_of(project, named, [file for file, _ in chosen])
    shapes = shapes_for([file for file, _ in chosen], base)
    files = [LoraInput.open(file, strength, shapes) for file, strength in chosen]
    parts = _parts(files)
    weights = ModelWeights(base) if base else None
    sums = (
        (module, ModuleSum.of(own, partial(_weight, module, own, shapes[module], weights)))
        for module, own in sorted(parts.items())
    )
    made = yield from build(sums, len(parts), shapes, lambda _: rank, keep)
    return files, made


def _parts(files: Sequence[LoraInput]) -> dict[str, list[Part]]:
    """Return what each module is in each file that has it."""
    found: dict[str, list[Part]] = {}
    for file in files:
        for module, tensors in file.modules.items():
            found.setdefault(module, []).append((file.strength, tensors))
    return found


def _weight(
    module: str, parts: Sequence[Part], shape: Shape, weights: ModelWeights | None
) -> Tensor:
    """Return the model's weight; without a model zeros, whose shape is enough for all but DoRA."""
    if weights:
        return weights.read(module)
    if any(tensors.keys() & set(MAGNITUDES) for _, tensors in parts):
        raise ConfigError(
            f"{module} is DoRA, whose change depends on the weights of the model.",
            "Name the model that it was made for with --base.",
        )
    return torch.zeros(shape)


def _into_model(project: Project, options: MergeOptions, chosen: Chosen) -> Iterator[Event]:
    base = BaseModel.open(named_model(options.into, project.root))
    check_base(base)
    name = "+".join([base.name, *(file.stem for file, _ in chosen)])
    path = new_file(project, options.out, "checkpoints", name)
    shapes = shapes_for([file for file, _ in chosen], base)
    parts = _parts([LoraInput.open(file, strength, shapes) for file, strength in chosen])
    yield Progress("merge", 0, 1, base.name)
    weights = ModelWeights(base)
    tensors = weights.changed(_edits(parts, weights))
    metadata = {**base.source.metadata, "modelspec.title": path.stem}
    metadata["modelspec.merged_from"] = ", ".join([base.name, names_of(chosen)])
    write_tensors(path, tensors, metadata, {"modelspec.hash_sha256": "0x"})
    yield Progress("merge", 1, 1, base.name)
    yield Written(shown(path, project))
    yield Finished(_summary(path, project, chosen, len(parts)))


def _edits(parts: dict[str, list[Part]], weights: ModelWeights) -> dict[tuple[str, str], Edit]:
    """Return what is added to each weight and bias.

    Raises:
        ConfigError: A LoRA changes a bias that the model does not have.
    """
    found: dict[tuple[str, str], Edit] = {}
    for module, own in parts.items():
        found[module, "weight"] = partial(_weight_edit, own)
        if (bias := summed_bias(own)) is not None:
            if not weights.has_bias(module):
                raise ConfigError(
                    f"A LoRA changes the bias of {module}, which has none in a checkpoint.",
                    "Use it as a LoRA: without a bias there, the checkpoint cannot hold it.",
                )
            found[module, "bias"] = partial(_bias_edit, bias)
    return found


def _weight_edit(parts: Sequence[Part], weight: Tensor) -> Tensor:
    return summed_change(parts, weight.clone())


def _bias_edit(change: Tensor, bias: Tensor) -> Tensor:
    return change.reshape(bias.shape)


def _summary(
    path: Path, project: Project, chosen: Chosen, modules: int, made: NewLora | None = None
) -> dict[str, Any]:
    return {
        "file": shown(path, project),
        "loras": names_of(chosen),
        "modules": modules,
        "rank": made.rank if made else None,
        "kept": made.share if made else 1.0,
    }
