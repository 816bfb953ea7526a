"""A VAE of its own, which a base model uses instead of the one that it came with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.errors import ConfigError, UserError
from prep.texts import parse_json, read_text
from train.checkpoints.configs import vae_config, vae_shapes
from train.checkpoints.hashes import sha256_of
from train.checkpoints.single_file import SingleFile
from train.checkpoints.sources import folder_hash
from train.extra import lean_imports
from train.settings.model import FamilyName

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class VaeSource:
    """A VAE on disk.

    Attributes:
        path: A file, or a folder of diffusers.
        config: Of the VAE.
        file: The opened file; ``None`` for a folder.
    """

    path: Path
    config: Mapping[str, Any]
    file: SingleFile | None = None

    def hash(self) -> str:
        """Return a hash of weights and configuration."""
        return sha256_of(self.path) if self.file else folder_hash(self.path)

    def load(self) -> "nn.Module":
        """Return it in fp32, on the CPU.

        Raises:
            UserError: Its files are broken.
        """
        import torch

        if self.file:
            from train.checkpoints.building import build

            return build(self.file, "vae", self.config, torch.float32)
        with lean_imports():
            from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        options: dict[str, Any] = {"local_files_only": True, "torch_dtype": torch.float32}
        module: nn.Module = AutoencoderKL.from_pretrained(str(self.path), **options)
        return module


def open_vae(path: Path, family: FamilyName) -> VaeSource:
    """Open a VAE.

    Args:
        path: A file, or a folder of diffusers (its own, or a model's with a vae folder).
        family: Of the base model.

    Raises:
        UserError: There is none, or its latents are others than the family's.
    """
    if path.is_file():
        file = SingleFile.open(path)
        shapes = vae_shapes(file.shapes)
        if not shapes:
            raise UserError(f"{path} holds no VAE.", "Choose another file for vae.")
        found = VaeSource(path, vae_config(path.name, family, shapes), file)
    else:
        folder = path / "vae" if (path / "vae").is_dir() else path
        found = VaeSource(folder, _config(folder))
    if found.config.get("latent_channels", 4) != _LATENT_CHANNELS:
        raise UserError(
            f"{path} is a VAE with {found.config['latent_channels']} latent channels.",
            "SD 1.5 and SDXL have 4; choose a VAE made for one of them.",
        )
    return found


_LATENT_CHANNELS = 4


def _config(folder: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = parse_json(read_text(folder / "config.json"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"There is no VAE at {folder}.", "Set vae to its file, or to its folder of diffusers."
        ) from error
    return data
