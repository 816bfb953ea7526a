"""A base model on disk: what it is, before anything heavy is loaded. Imports no torch.

Today a base model is a folder in the diffusers layout; all numbers (channels, block layout, noise
schedule) come from its own configuration files.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from prep.errors import ConfigError, UserError
from prep.system.files import content_hash, text_hash
from prep.texts import parse_json, read_text
from train.lora.file import file_hash, legacy_file_hash
from train.lora.keys import module_shapes
from train.lora.layout import Shapes, TextLayout, UNetLayout

_WEIGHTS = "diffusion_pytorch_model"
_INPAINTING_CHANNELS = 9
_VERSIONS = {"sd15": ("sd_v1", "stable-diffusion-v1")}
_SD2_WIDTH = 1024
"""Width of SD 2's text states; SD 1.5 has 768."""


@dataclass(frozen=True)
class BaseModel:
    """An opened base model.

    Attributes:
        folder: The diffusers folder.
        family: Name of its family; one of ``opening.FAMILIES``.
        unet: Configuration of the UNet.
        text_encoder: Configuration of the text encoder.
        vae: Configuration of the VAE.
        scheduler: Configuration of the noise schedule.
    """

    folder: Path
    family: str
    unet: Mapping[str, Any]
    text_encoder: Mapping[str, Any]
    vae: Mapping[str, Any]
    scheduler: Mapping[str, Any]

    @classmethod
    def open(cls, path: Path) -> "BaseModel":
        """Read the configuration of a base model and find out its family.

        Raises:
            UserError: The folder is missing or incomplete, or belongs to a family that is not
                trained here.
        """
        folder = path.expanduser()
        if not folder.is_dir():
            raise ConfigError(
                f"There is no base model at {folder}.",
                "Set base in the [train] table to a folder in the diffusers layout.",
            )
        if (folder / "text_encoder_2").is_dir():
            raise UserError(f"{folder} is an SDXL model.", "Choose an SD 1.5 model as base.")
        names = ("unet", "text_encoder", "vae", "scheduler")
        base = cls(folder, "sd15", *(_read_config(folder, part) for part in names))
        _refuse_others(folder, base.unet)
        try:
            base.module_shapes()
            base.pixel_multiple  # noqa: B018  (is it there?)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{folder} is not a model in the diffusers layout: its config.json files lack"
                f" {error}.",
                "Download or copy it again.",
            ) from error
        return base

    @property
    def name(self) -> str:
        """What to call it: the folder's name."""
        return self.folder.name

    @property
    def version(self) -> str:
        """What kohya's metadata calls it (``ss_base_model_version``): sd_v1, or sd_v1_v."""
        predicts_v = self.scheduler.get("prediction_type") == "v_prediction"
        return _VERSIONS[self.family][0] + ("_v" if predicts_v else "")

    @property
    def architecture(self) -> str:
        """What the metadata standard calls the family (``modelspec.architecture``)."""
        return _VERSIONS[self.family][1]

    @property
    def pixel_multiple(self) -> int:
        """Both sides of a picture are multiples of this, pixels: 8 for SD 1.5."""
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    def module_shapes(self) -> Shapes:
        """Return all modules that a LoRA file can change, with the shapes of their weights."""
        return module_shapes(*self.layouts())

    def layouts(self) -> tuple[UNetLayout, TextLayout]:
        """Return how UNet and text encoder are built."""
        return UNetLayout.from_config(self.unet), TextLayout.from_config(self.text_encoder)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the file with the UNet's weights; empty when they are in several files."""
        file = _weights_file(self.folder / "unet")
        return file_hash(file) if file else ""

    @cached_property
    def legacy_hash(self) -> str:
        """A1111's old short hash of the same file (``ss_sd_model_hash``); empty likewise."""
        file = _weights_file(self.folder / "unet")
        return legacy_file_hash(file) if file else ""

    def vae_hash(self) -> str:
        """Return a hash of the VAE's weights and configuration, for caches."""
        files = sorted(p for p in (self.folder / "vae").iterdir() if p.is_file())
        return text_hash(" ".join(f"{p.name} {content_hash(p)}" for p in files))

    def fitting_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the largest possible size of a picture that is not larger, in pixels."""
        multiple = self.pixel_multiple
        wide, high = (max(side - side % multiple, multiple) for side in (width, height))
        return wide, high

    def check_size(self, width: int, height: int) -> None:
        """Check that pictures of this size, in pixels, are possible.

        Raises:
            UserError: They are not.
        """
        multiple = self.pixel_multiple
        if width % multiple or height % multiple or width < 0 or height < 0:
            raise UserError(
                f"{width}x{height} does not fit the base model.",
                f"Width and height must be multiples of {multiple}.",
            )


def _refuse_others(folder: Path, unet: Mapping[str, Any]) -> None:
    """Refuse relatives of SD 1.5 that would load and then train wrongly, by their names."""
    kind = ""
    if unet.get("in_channels") == _INPAINTING_CHANNELS:
        kind = "an inpainting model"
    elif unet.get("cross_attention_dim") == _SD2_WIDTH:
        kind = "a Stable Diffusion 2 model"
    if kind:
        raise UserError(f"{folder} is {kind}.", "Choose an SD 1.5 model as base.")


def _weights_file(folder: Path) -> Path | None:
    """Return the file that is loaded; variants such as ``….fp16.safetensors`` may lie beside it."""
    plain = folder / f"{_WEIGHTS}.safetensors"
    return plain if plain.is_file() else None


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
