"""A base model on disk: what it is, before anything heavy is loaded. Imports no torch.

It is a folder in the diffusers layout or a single file, as people download them; all numbers
(channels, block layout, noise schedule) come from its configuration files or from the shapes of its
tensors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prep.errors import ConfigError, UserError
from prep.system.names import with_home
from train.checkpoints.recognition import TITLES
from train.checkpoints.sources import Source, open_source
from train.checkpoints.vae import VaeSource, open_vae
from train.lora.key_tables import KeyTable, sd15_table, sdxl_table, shapes_of
from train.lora.layout import Shapes, TextLayout, UNetLayout
from train.settings.model import FamilyName

Prediction = Literal["auto", "epsilon", "v_prediction"]
_INPAINTING_CHANNELS = 9
VERSIONS: Mapping[FamilyName, tuple[str, str]] = {
    "sd15": ("sd_v1", "stable-diffusion-v1"),
    "sdxl": ("sdxl_base_v1-0", "stable-diffusion-xl-v1-base"),
}
"""What kohya's metadata and the metadata standard call the families."""
_SHOWN = 10
"""Digits of a hash that are shown, like A1111 does."""
_SD2_WIDTH = 1024
"""Width of SD 2's text states; SD 1.5 has 768."""
_REFINER_WIDTH = 1280
"""Width of the text states of SDXL's refiner; SDXL has 2048."""


@dataclass(frozen=True)
class BaseModel:
    """An opened base model.

    Attributes:
        source: Its files.
        family: Name of its family; one of ``opening.FAMILIES``.
        configs: The configuration of each component: unet, vae, scheduler, text_encoder, and
            text_encoder_2 for SDXL.
        separate_vae: A VAE that is used instead of the model's own.
    """

    source: Source
    family: FamilyName
    configs: Mapping[str, Mapping[str, Any]]
    separate_vae: VaeSource | None = None

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        vae: Path | None = None,
        prediction: Prediction = "auto",
        zero_terminal_snr: bool | None = None,
    ) -> "BaseModel":
        """Find out what a base model is.

        Args:
            path: A folder or a file.
            vae: A VAE to use instead of the model's own; a file or a folder.
            prediction: What the model predicts; auto believes what the model says about itself.
            zero_terminal_snr: Does its noise schedule end in pure noise? ``None`` likewise.

        Raises:
            UserError: It is missing or incomplete, or belongs to a family that is not trained here.
        """
        place = with_home(path)
        if not place.exists():
            raise ConfigError(
                f"There is no base model at {place}.",
                "Set base in the [train] table to a .safetensors file, to a folder in the diffusers"
                " layout, or to a name on the hub, which train downloads.",
            )
        source, family, configs = open_source(place)
        separate = open_vae(with_home(vae), family) if vae else None
        if separate:
            configs["vae"] = separate.config
        configs["scheduler"] = _scheduler(
            source, configs["scheduler"], prediction, zero_terminal_snr
        )
        base = cls(source, family, configs, separate)
        base._check()
        return base

    def _check(self) -> None:
        """Refuse what would load and then train wrongly.

        Raises:
            UserError: It is a relative of its family, or incomplete.
        """
        _refuse_others(self.path, self.family, self.configs["unet"])
        if "vae" not in self.configs:
            raise UserError(
                f"{self.path.name} holds no VAE.",
                "Set vae in the [train] table to the VAE's file.",
            )
        try:
            self.key_table()
            self.pixel_multiple  # noqa: B018  (is it there?)
        except (KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{self.path} is not a model in the diffusers layout: its config.json files lack"
                f" {error}.",
                "Download or copy it again.",
            ) from error

    @property
    def path(self) -> Path:
        """The file or folder."""
        return self.source.path

    @property
    def name(self) -> str:
        """What to call it: the name of the folder, or of the file without its suffix."""
        return self.path.stem if self.path.is_file() else self.path.name

    def describe(self) -> str:
        """Return its name, family, prediction and the beginning of its hash, for reports."""
        schedule = self.configs["scheduler"]
        facts = [TITLES[self.family], str(schedule.get("prediction_type", "epsilon"))]
        facts += ["zero terminal SNR"] if schedule.get("rescale_betas_zero_snr") else []
        facts += [self.weights_hash[:_SHOWN]] if self.weights_hash else []
        facts += [f"VAE {self.separate_vae.path.name}"] if self.separate_vae else []
        return f"{self.name} ({', '.join(facts)})"

    @property
    def version(self) -> str:
        """What kohya's metadata calls it (``ss_base_model_version``): sd_v1 or sdxl_base_v1-0."""
        name = VERSIONS[self.family][0]
        predicts_v = self.configs["scheduler"].get("prediction_type") == "v_prediction"
        return f"{name}_v" if predicts_v and self.family == "sd15" else name

    @property
    def architecture(self) -> str:
        """What the metadata standard calls the family (``modelspec.architecture``)."""
        return VERSIONS[self.family][1]

    @property
    def pixel_multiple(self) -> int:
        """Both sides of a picture are multiples of this, pixels: 8 for SD 1.5 and SDXL."""
        return int(2 ** (len(self.configs["vae"]["block_out_channels"]) - 1))

    @property
    def text_encoders(self) -> tuple[str, ...]:
        """Names of its text encoders."""
        return tuple(name for name in ("text_encoder", "text_encoder_2") if name in self.configs)

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the modules that it consists of."""
        return ("unet", *self.text_encoders, "vae")

    def key_table(self) -> KeyTable:
        """Return all modules that a LoRA file can change, by their names there."""
        unet = UNetLayout.from_config(self.configs["unet"])
        texts = [TextLayout.from_config(self.configs[name]) for name in self.text_encoders]
        return sdxl_table(unet, *texts) if self.family == "sdxl" else sd15_table(unet, *texts)

    def module_shapes(self) -> Shapes:
        """Return the same modules with the shapes of their weights."""
        return shapes_of(self.key_table())

    @property
    def weights_hash(self) -> str:
        """SHA-256 of the file with the weights; empty when they are in several files."""
        return self.source.weights_hash

    @property
    def legacy_hash(self) -> str:
        """A1111's old short hash of the same file (``ss_sd_model_hash``); empty likewise."""
        return self.source.legacy_hash

    def vae_hash(self) -> str:
        """Return a hash of the VAE's weights and configuration, for caches."""
        return self.separate_vae.hash() if self.separate_vae else self.source.vae_hash()

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


def _scheduler(
    source: Source, config: Mapping[str, Any], prediction: Prediction, zero: bool | None
) -> dict[str, Any]:
    """Return the noise schedule, in which a setting takes precedence over what the files say."""
    found = dict(config)
    if source.metadata.get("modelspec.prediction_type") in ("v", "v_prediction"):
        found["prediction_type"] = "v_prediction"
    if prediction != "auto":
        found["prediction_type"] = prediction
    if zero is not None:
        found["rescale_betas_zero_snr"] = zero
    if found.get("rescale_betas_zero_snr"):
        if found.get("prediction_type", "epsilon") == "epsilon":
            raise UserError(
                f"{source.path.name} predicts epsilon, which is not possible where the noise"
                " schedule ends in pure noise.",
                'Set zero_terminal_snr = false, or prediction = "v_prediction" if it is such a'
                " model.",
            )
        found["timestep_spacing"] = "trailing"
    return found


def _refuse_others(path: Path, family: FamilyName, unet: Mapping[str, Any]) -> None:
    """Refuse relatives that would load and then train wrongly, by their names."""
    kind, width = "", unet.get("cross_attention_dim")
    if unet.get("in_channels") == _INPAINTING_CHANNELS:
        kind = "an inpainting model"
    elif width == _SD2_WIDTH and family == "sd15":
        kind = "a Stable Diffusion 2 model"
    elif width == _REFINER_WIDTH and family == "sdxl":
        kind = "the refiner of SDXL"
    if kind:
        raise UserError(f"{path} is {kind}.", "Choose an SD 1.5 or SDXL model as base.")
