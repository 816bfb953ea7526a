"""The difference of two models as a LoRA: of a model that was trained whole, what it learned."""

from collections.abc import Generator, Iterator

from prep.errors import ConfigError
from prep.events import Event, Finished, Written
from prep.project import Project
from train.config import TrainSettings
from train.families.base_model import BaseModel
from train.hub import model_file, named_model, obtain_model
from train.lora.key_tables import Module
from train.merging.options import ExtractOptions
from train.merging.sums import ModuleSum, NewLora, build
from train.merging.weights import ModelWeights
from train.merging.written import describe, new_file, write_lora
from train.sampling.loras import shown

_LARGE_KERNEL = 3
"""Kernels of convolutions that are LoCon's; smaller ones are like linear layers."""


def extract(project: Project, options: ExtractOptions) -> Iterator[Event]:
    """Make a LoRA of what distinguishes two models.

    Yields:
        What downloading a model yields, if it is one of the hub and not on the disk; Progress for
        each module, Written, and Finished with file, model, base, modules, rank and kept: the share
        of the difference, by its squares, that the file holds.

    Raises:
        UserError: A model is missing, or they are not of one kind.
    """
    named = options.base or TrainSettings.from_project(project).base
    if not options.model or not named:
        raise ConfigError(
            "Two models are needed.", "Name them: --model TRAINED --base TRAINED-FROM."
        )
    for name in (options.model, named):
        yield from obtain_model(name, project.root)
    model = BaseModel.open(named_model(options.model, project.root))
    place = named_model if options.base else model_file
    base = BaseModel.open(place(named, project.root))
    path = new_file(project, options.out, "lora", f"{model.name}-extracted")
    made = yield from _difference(model, base, options)
    metadata = describe(path, made.modules, base.family, {})
    metadata["modelspec.merged_from"] = f"{model.name} - {base.name}"
    write_lora(path, made.modules, metadata, options.precision)
    yield Written(shown(path, project))
    yield Finished(
        {
            "file": shown(path, project),
            "model": model.name,
            "base": base.name,
            "modules": len(made.modules),
            "rank": made.rank,
            "kept": made.share,
        }
    )


def _difference(
    model: BaseModel, base: BaseModel, options: ExtractOptions
) -> Generator[Event, None, NewLora]:
    """Make the modules; yields Progress.

    Raises:
        ConfigError: The models are of different kinds, or do not differ.
    """
    shapes = base.module_shapes()
    if model.family != base.family or model.module_shapes() != shapes:
        raise ConfigError(
            f"{model.name} and {base.name} are models of different kinds.",
            "Name the one that it was trained from with --base.",
        )
    wanted = [name for name, place in base.key_table().items() if _is_wanted(place, options)]
    before, after = ModelWeights(base), ModelWeights(model)

    def sums() -> Iterator[tuple[str, ModuleSum]]:
        for module in wanted:
            change = (after.read(module) - before.read(module)).flatten(1)
            yield module, ModuleSum(matrix=change) if change.any() else ModuleSum()

    def rank_of(module: str) -> int:
        return options.conv_rank if _is_wide(shapes[module]) else options.rank

    made = yield from build(sums(), len(wanted), shapes, rank_of, options.keep)
    if not made.modules:
        raise ConfigError(
            f"{model.name} and {base.name} do not differ in what is extracted.",
            "Choose another model, or take 3x3 convolutions, too: --conv-rank 8.",
        )
    return made


def _is_wide(shape: tuple[int, ...]) -> bool:
    return len(shape) > 2 and max(shape[2:]) >= _LARGE_KERNEL


def _is_wanted(place: Module, options: ExtractOptions) -> bool:
    if place.part != "unet" and not options.text_encoder:
        return False
    if place.kind == "attention":
        return True
    return place.kind == "convolution" and bool(options.conv_rank or not _is_wide(place.shape))
