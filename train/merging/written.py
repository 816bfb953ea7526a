"""Where new files go, and what they say about themselves."""

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from prep import __version__
from prep.errors import ConfigError
from prep.project import Project
from prep.project.boundary import refuse_links
from prep.system.names import numbered, shortened_name, with_home
from train.families.base_model import VERSIONS
from train.lora.metadata import IMPLEMENTATIONS
from train.networks.saved import save_tensors
from train.settings.model import FamilyName
from train.settings.saving import SavePrecision

Modules = Mapping[str, Mapping[str, Tensor]]
"""Tensors of a LoRA by leaf, by module."""

_SUFFIX = ".safetensors"
_OF_ANY = ("ss_base_model_version", "ss_v2", "modelspec.architecture", "modelspec.implementation")
"""What is true of a merged file if it is of the first that went into it."""
_OF_ONE = (
    *("sshs_model_hash", "sshs_legacy_hash", "modelspec.hash_sha256"),
    *("ss_network_args", "lora_adapter_metadata"),
)
"""What is true of one file alone: its hashes, and how its own algorithm and ranks are read. With
``lora_adapter_metadata`` beside alphas, diffusers refuses a file."""


def new_file(project: Project, given: Path | None, folder: str, name: str) -> Path:
    """Return the path of a file that does not exist yet.

    Args:
        project: The project.
        given: By the user; its suffix may be missing.
        folder: The folder in ``output`` otherwise.
        name: What to call it there, without a suffix; a number follows if the name is used.

    Raises:
        ConfigError: The given file exists, or a link leads to the usual folder.
    """
    if given is not None:
        path = with_home(given)
        if not path.name:
            raise ConfigError(f"{given} is no name of a file.", "Example: --out merged")
        path = path if path.suffix == _SUFFIX else path.with_name(f"{path.name}{_SUFFIX}")
        path = (Path.cwd() / path).absolute()
        if path.exists() or path.is_symlink():
            raise ConfigError(f"{path} exists.", "Choose another name with --out.")
        if not path.parent.is_dir():
            raise ConfigError(f"There is no folder {path.parent}.", "Make it first.")
        return path
    place = project.output / folder
    refuse_links(project, place)
    first = shortened_name(f"{name}{_SUFFIX}")
    path, number = place / first, 1
    while path.exists() or path.is_symlink():
        number += 1
        path = place / numbered(first, number)
    return path


def write_lora(
    path: Path, modules: Modules, metadata: Mapping[str, str], precision: SavePrecision
) -> None:
    """Write a LoRA file; see ``save_tensors``."""
    tensors = {f"{name}.{leaf}": t for name, own in modules.items() for leaf, t in own.items()}
    save_tensors(path, tensors, metadata, precision)


def describe(
    path: Path,
    modules: Modules,
    family: FamilyName,
    origin: Mapping[str, str],
) -> dict[str, str]:
    """Return the metadata of a new LoRA.

    Args:
        path: Its file.
        modules: What it holds.
        family: sd15 or sdxl.
        origin: Further entries, such as those of the file that it was made of; they are kept
            unless they describe that file alone.
    """
    kept = {key: value for key, value in origin.items() if key not in _OF_ONE}
    downs = [t["lora_down.weight"] for t in modules.values() if "lora_down.weight" in t]
    ranks = {len(down) for down in downs}
    rank = str(max(ranks, default=0)) if len(ranks) < 2 else "Dynamic"
    when = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    version, architecture = VERSIONS[family]
    return {
        "ss_base_model_version": version,
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.implementation": IMPLEMENTATIONS[family],
        **kept,
        "ss_network_module": "networks.lora",
        "ss_network_dim": rank,
        "ss_network_alpha": rank,
        "ss_output_name": path.stem,
        "modelspec.title": path.stem,
        "modelspec.date": when.isoformat().replace("+00:00", "Z"),
        "modelspec.implementation_version": f"shikomi/{__version__}",
    }


def names_of(files: Sequence[tuple[Path, float]]) -> str:
    """Return LoRAs with their strengths, for ``modelspec.merged_from``."""
    return ", ".join(f"{file.name}:{strength:g}" for file, strength in files)


def common_metadata(files: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return what holds for a sum of files: what the model is that they were made for."""
    return {key: files[0][key] for key in _OF_ANY if all(key in f for f in files)}
