"""The LoRA files that new ones are made of, and the model that they were made for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from prep.errors import ConfigError, UserError
from prep.project import Project
from train.config import TrainSettings
from train.families.base_model import BaseModel
from train.hub import model_file, named_model
from train.lora.contents import by_module, full_size_of, inspect
from train.lora.layout import Shapes
from train.networks.saved import load_lora
from train.settings.model import FamilyName

Tensors = Mapping[str, Tensor]
"""Of one module, by leaf."""


@dataclass(frozen=True)
class LoraInput:
    """A LoRA file, read.

    Attributes:
        path: The file.
        strength: What its changes are multiplied by.
        family: sd15 or sdxl.
        modules: Tensors in fp32 by leaf, by the module's name.
        metadata: Of the file.
    """

    path: Path
    strength: float
    family: FamilyName
    modules: Mapping[str, Tensors]
    metadata: Mapping[str, str]

    @classmethod
    def open(cls, path: Path, strength: float, model: Shapes) -> "LoraInput":
        """Read a file.

        Args:
            path: The file.
            strength: What its changes are multiplied by.
            model: The shape of the weight of each module that it may change.

        Raises:
            UserError: It does not fit the model, or holds what is not applied.
        """
        found = inspect(path, model)
        if found.faults:
            more = f" ({len(found.faults) - 1} more)" if len(found.faults) > 1 else ""
            told = f"{path.name} cannot be used: {found.faults[0]}{more}"
            raise UserError(told, "See what it holds, and what fits it: shikomi lora verify FILE")
        family: FamilyName = "sdxl" if found.family == "sdxl" else "sd15"
        return cls(path, strength, family, by_module(load_lora(path)), found.metadata)


def shapes_for(files: Sequence[Path], base: BaseModel | None) -> Shapes:
    """Return the modules that the files may change: of the base model, or of their family.

    Raises:
        UnreadableError: A file is no LoRA.
        ConfigError: They are not of one family.
    """
    families = {file: inspect(file).family for file in files}
    if len(set(families.values())) > 1:
        told = ", ".join(f"{file.name} for {family}" for file, family in families.items())
        raise ConfigError(f"These LoRAs are for different models: {told}.", "Merge those of one.")
    return base.module_shapes() if base else full_size_of(files[0])


def base_of(project: Project, named: str, files: Sequence[Path]) -> BaseModel | None:
    """Return the model that LoRAs were made for, as far as it is known.

    Args:
        project: The project; its base model counts if it is there and of their family.
        named: By the user: a file or a folder.
        files: The LoRAs.

    Raises:
        UserError: The named one cannot be used.
    """
    if named:
        return BaseModel.open(named_model(named, project.root))
    settings = TrainSettings.from_project(project)
    place = model_file(settings.base, project.root) if settings.base else None
    if place is None or not place.exists():
        return None
    base = BaseModel.open(place)
    return base if all(inspect(file).family == base.family for file in files) else None
