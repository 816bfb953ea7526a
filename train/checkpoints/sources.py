"""Where a base model comes from: a single file, or a folder in the diffusers layout.

Both give the configuration of each component without torch, and the components when they are
loaded. Nothing is asked of the network.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from prep.captions.tokens import BEGIN, END, clip_tokenizer
from prep.errors import UserError
from prep.system.files import content_hash, text_hash
from prep.texts import parse_json, read_text
from train.checkpoints.components import check_complete
from train.checkpoints.configs import configs_of, vae_config, vae_shapes
from train.checkpoints.hashes import sha256_of
from train.checkpoints.recognition import recognise
from train.checkpoints.single_file import SingleFile
from train.extra import lean_imports
from train.lora.file import legacy_file_hash
from train.settings.model import FamilyName

if TYPE_CHECKING:
    import torch
    from torch import nn

Config = Mapping[str, Any]
_WEIGHTS = "diffusion_pytorch_model"
_CLIP_VOCABULARY = END + 1


@dataclass(frozen=True)
class TextTokenizer:
    """Splits texts into tokens.

    Attributes:
        encode: Returns the ids of a text, without marks.
        begin: Id of the mark that begins a window.
        end: Id of the mark that ends it.
        pad: Id that fills the rest of a window.
    """

    encode: Callable[[str], list[int]]
    begin: int
    end: int
    pad: int


class Source(Protocol):
    """The files of a base model."""

    @property
    def path(self) -> Path:
        """The file or folder that a user names."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What a single file says about itself."""
        ...

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file that identifies the model; empty when there is not one file."""
        ...

    @property
    def legacy_hash(self) -> str:
        """A1111's old short hash of the same file; empty likewise."""
        ...

    def vae_hash(self) -> str:
        """Return a hash of the VAE's weights and configuration, for caches."""
        ...

    def tokenizer(self, component: str) -> TextTokenizer:
        """Return the tokenizer of a text encoder."""
        ...

    def load(self, component: str, config: Config, dtype: "torch.dtype") -> "nn.Module":
        """Return a component with its weights, on the CPU.

        Args:
            component: unet, vae, text_encoder or text_encoder_2.
            config: Of the component, as ``open_source`` returned it.
            dtype: Of its weights.
        """
        ...


def open_source(path: Path) -> tuple[Source, FamilyName, dict[str, Config]]:
    """Open a base model.

    Returns:
        The source, its family, and the configuration of each component; without the VAE's where a
        file has none.

    Raises:
        UserError: It is missing, incomplete, or nothing that is trained here.
    """
    if path.is_dir():
        return open_folder(path)
    file = SingleFile.open(path)
    family = recognise(path.name, file.shapes)
    configs: dict[str, Config] = dict(configs_of(path.name, family, file.shapes))
    if inside := vae_shapes(file.shapes):
        configs["vae"] = vae_config(path.name, family, inside)
    check_complete(file, family, configs)
    return FileSource(file, family), family, configs


@dataclass(frozen=True)
class FileSource:
    """A single-file checkpoint; implements ``Source``."""

    file: SingleFile
    family: FamilyName

    @property
    def path(self) -> Path:
        """As ``Source.path``."""
        return self.file.path

    @property
    def metadata(self) -> Mapping[str, str]:
        """As ``Source.metadata``."""
        return self.file.metadata

    @cached_property
    def weights_hash(self) -> str:
        """As ``Source.weights_hash``."""
        return sha256_of(self.file.path)

    @cached_property
    def legacy_hash(self) -> str:
        """As ``Source.legacy_hash``."""
        return legacy_file_hash(self.file.path)

    def vae_hash(self) -> str:
        """As ``Source.vae_hash``: the whole file stands for its VAE."""
        return self.weights_hash

    def tokenizer(self, component: str) -> TextTokenizer:
        """As ``Source.tokenizer``: CLIP's, which all single files have."""
        pad = 0 if component == "text_encoder_2" else END  # OpenCLIP pads with zeros
        return TextTokenizer(clip_tokenizer().encode, BEGIN, END, pad)

    def load(self, component: str, config: Config, dtype: "torch.dtype") -> "nn.Module":
        """As ``Source.load``."""
        from train.checkpoints.building import build

        if config.get("vocab_size", _CLIP_VOCABULARY) != _CLIP_VOCABULARY:
            raise UserError(
                f"The {component} of {self.path.name} knows {config['vocab_size']} tokens instead"
                f" of CLIP's {_CLIP_VOCABULARY}.",
                "Use the model's folder in the diffusers layout, which has its own vocabulary.",
            )
        return build(self.file, component, config, dtype)


def open_folder(folder: Path) -> tuple["FolderSource", FamilyName, dict[str, Config]]:
    """Open a folder in the diffusers layout; returns the same as ``open_source``.

    Raises:
        UserError: It is incomplete, or of another kind of model.
    """
    family: FamilyName = "sdxl" if (folder / "text_encoder_2").is_dir() else "sd15"
    _refuse_other_pipelines(folder)
    names = ["unet", "text_encoder", "vae", "scheduler"]
    names += ["text_encoder_2"] if family == "sdxl" else []
    configs: dict[str, Config] = {name: _read_config(folder, name) for name in names}
    return FolderSource(folder), family, configs


@dataclass(frozen=True)
class FolderSource:
    """A folder in the diffusers layout; implements ``Source``."""

    path: Path

    @property
    def metadata(self) -> Mapping[str, str]:
        """As ``Source.metadata``: none."""
        return {}

    @cached_property
    def weights_hash(self) -> str:
        """As ``Source.weights_hash``: of the file with the UNet's weights."""
        file = self._unet_file
        return sha256_of(file) if file else ""

    @cached_property
    def legacy_hash(self) -> str:
        """As ``Source.legacy_hash``."""
        file = self._unet_file
        return legacy_file_hash(file) if file else ""

    @property
    def _unet_file(self) -> Path | None:
        """The file that is loaded; variants such as ``….fp16.safetensors`` may lie beside it."""
        plain = self.path / "unet" / f"{_WEIGHTS}.safetensors"
        return plain if plain.is_file() else None

    def vae_hash(self) -> str:
        """As ``Source.vae_hash``."""
        return folder_hash(self.path / "vae")

    def tokenizer(self, component: str) -> TextTokenizer:
        """As ``Source.tokenizer``."""
        with lean_imports():
            from transformers.models.clip.tokenization_clip import CLIPTokenizer

        name = component.replace("text_encoder", "tokenizer")
        known: Any = CLIPTokenizer.from_pretrained(str(self.path / name), local_files_only=True)

        def encode(text: str) -> list[int]:
            return list(known(text, add_special_tokens=False, verbose=False).input_ids)

        return TextTokenizer(encode, known.bos_token_id, known.eos_token_id, known.pad_token_id)

    def load(self, component: str, config: Config, dtype: "torch.dtype") -> "nn.Module":
        """As ``Source.load``."""
        # Named modules, since the packages' top levels import every pipeline there is.
        with lean_imports():
            from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
            from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
            from transformers.models.clip.modeling_clip import (
                CLIPTextModel,
                CLIPTextModelWithProjection,
            )

        del config  # it is read again, with the weights
        kinds: dict[str, Any] = {
            "unet": UNet2DConditionModel,
            "vae": AutoencoderKL,
            "text_encoder": CLIPTextModel,
            "text_encoder_2": CLIPTextModelWithProjection,
        }
        name = "dtype" if component.startswith("text") else "torch_dtype"
        options: dict[str, Any] = {"local_files_only": True, name: dtype}
        module: nn.Module = kinds[component].from_pretrained(str(self.path / component), **options)
        return module


def folder_hash(folder: Path) -> str:
    """Return a hash of the names and contents of the files right inside a folder."""
    files = sorted(p for p in folder.iterdir() if p.is_file())
    return text_hash(" ".join(f"{p.name} {content_hash(p)}" for p in files))


def _refuse_other_pipelines(folder: Path) -> None:
    """Refuse folders of other models by the name of their pipeline.

    Raises:
        UserError: The folder is one.
    """
    try:
        index = parse_json(read_text(folder / "model_index.json"))
        name = str(index.get("_class_name", ""))
    except (OSError, ValueError, AttributeError):
        return  # what is missing is told with the component that needs it
    if (name and not name.startswith("StableDiffusion")) or name.startswith("StableDiffusion3"):
        raise UserError(
            f"{folder} is a model for {name}, which is not trained here.",
            "Choose an SD 1.5 or SDXL model as base.",
        )


def _read_config(folder: Path, component: str) -> dict[str, Any]:
    """Read ``config.json`` (or ``scheduler_config.json``) of a part of a diffusers folder.

    Raises:
        UserError: The part is missing or unreadable.
    """
    name = "scheduler_config.json" if component == "scheduler" else "config.json"
    try:
        data: dict[str, Any] = parse_json(read_text(folder / component / name))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{folder} is not a model in the diffusers layout: {component}/{name} is missing or"
            " unreadable.",
            "It needs the folders unet, vae, text_encoder, tokenizer and scheduler.",
        ) from error
    return data
