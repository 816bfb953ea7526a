"""Every setting of a training run, typed once.

The same models give the ``[train]`` table of ``shikomi.toml``, the presets, ``--set``, the form of
the terminal application and the documentation. Nothing here imports torch.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import tomlkit
from pydantic import Field, ValidationError

from prep.errors import ConfigError
from prep.project import Project, Section, describe_faults
from prep.texts import parse_toml, read_text
from prep.training_set.plan import StepSettings

PRESETS = Path(__file__).parent / "presets"

Precision = Literal["auto", "bf16", "fp32", "fp16"]
SamplerName = Literal["ddim", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "unipc"]


class TrainSettings(StepSettings):
    """The ``[train]`` table: what a run does. The defaults suit 10 to 100 images on SD 1.5."""

    base: str = ""
    """Base model: a folder in the diffusers layout, absolute, from the home folder (~), or relative
    to the project."""

    rank: int = Field(32, ge=1, le=1024)
    """Rank of the LoRA: how much it can hold. 8 to 32 for a character, 32 to 64 for a style."""
    alpha: float = Field(16.0, gt=0)
    """The LoRA acts with alpha / rank; half the rank is usual. Changing it acts like changing the
    learning rate."""
    conv_rank: int = Field(0, ge=0, le=1024)
    """Rank for the 3x3 convolutions (LoCon: finer texture, larger file); 0 trains no convolution
    blocks."""
    conv_alpha: float = Field(1.0, gt=0)
    """As alpha, for the 3x3 convolutions."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the LoRA's inner values switched off at random in each step; 0 to 0.3."""
    train_text_encoder: bool = True
    """Train the text encoder too: needed for new words, off for a style without a trigger."""

    learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of the UNet."""
    text_encoder_learning_rate: float | None = Field(None, ge=0)
    """Learning rate of the text encoder; when absent, that of the UNet. 0 does not train it."""
    optimizer: Literal["adamw"] = "adamw"
    """The optimiser."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Longer gradients are scaled down to this length; 0 means never."""
    scheduler: Literal["constant", "cosine"] = "cosine"
    """How the learning rate moves after the warm-up: it stays, or falls along a cosine to 0."""
    warmup_steps: int = Field(0, ge=0)
    """Steps in which the learning rate rises from 0."""

    precision: Precision = "auto"
    """Number format of the base model and its activations (the LoRA itself stays in fp32): auto
    takes bf16 where the device computes in it, else fp32."""
    gradient_checkpointing: bool = False
    """Half the memory for a quarter more time."""
    min_snr_gamma: float = Field(5.0, ge=0)
    """Min-SNR loss weighting: damps nearly clean images, which teach little; 0 switches it off."""
    noise_offset: float = Field(0.0, ge=0, le=1)
    """Shifts the noise of whole images, for very dark or bright pictures; 0.05 to 0.1 is usual."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Decides noise, order, captions and first weights: same seed, same run."""

    shuffle_caption: bool | None = None
    """Shuffle the tags of captions; when absent, the dataset file decides."""
    keep_tokens: int | None = Field(None, ge=0)
    """This many first tags stay in place when shuffling; when absent, the dataset file decides."""
    caption_dropout: float | None = Field(None, ge=0.0, le=1.0)
    """Share of images seen without any caption; 0.05 to 0.1 helps styles. When absent, the dataset
    file decides."""
    tag_dropout: float | None = Field(None, ge=0.0, lt=1.0)
    """Share of tags left out of each caption, kept tokens excepted: the trigger word then works
    on its own as well; 0.1 to 0.5. When absent, the dataset file decides."""
    clip_skip: int = Field(1, ge=1, le=12)
    """Which layer of the text encoder is read, counted from the end: 1, or 2 for anime models."""
    max_token_length: Literal[75, 150, 225] = 75
    """Longest caption, in tokens; longer ones are cut, with a warning."""

    save_every_epochs: int = Field(1, ge=0)
    """Save the LoRA, and a state to resume from, after this many epochs; 0 means only at the
    end."""
    save_every_steps: int = Field(0, ge=0)
    """The same, counted in steps; 0 means never."""
    save_precision: Literal["fp16", "bf16", "fp32"] = "fp16"
    """Number format in the saved file."""

    sample_prompts: tuple[str, ...] = ()
    """Prompts to draw during training, each with options as ` --d 1 --n bad`; an entry that ends
    in .txt is a file of prompts."""
    sample_every_epochs: int = Field(1, ge=0)
    """Draw the prompts after this many epochs; 0 means never."""
    sample_every_steps: int = Field(0, ge=0)
    """The same, counted in steps; 0 means never."""
    sample_at_start: bool = False
    """Draw them before the first step too: what the base model does alone."""
    sample_steps: int = Field(20, ge=1, le=1000)
    """Denoising steps of a sample."""
    sample_cfg: float = Field(7.0, ge=0)
    """Guidance scale of a sample."""
    sampler: SamplerName = "ddim"
    """Sampling method."""

    validation_fraction: float = Field(0.0, ge=0.0, le=0.5)
    """Share of the images held out of training to measure the validation loss; 0 means none."""
    validate_every_epochs: int = Field(1, ge=1)
    """Measure the validation loss after this many epochs."""

    devices: int = Field(1, ge=1, le=64)
    """Processes, one per GPU."""

    @property
    def text_encoder_rate(self) -> float:
        """The learning rate of the text encoder; 0 when it is not trained."""
        if not self.train_text_encoder:
            return 0.0
        rate = self.text_encoder_learning_rate
        return self.learning_rate if rate is None else rate

    @classmethod
    def from_project(
        cls, project: Project, preset: str = "", overrides: Iterable[str] = ()
    ) -> "TrainSettings":
        """Combine the sources of settings.

        Each takes precedence over the one before: defaults, ``[train]``, the preset, the
        ``key=value`` overrides.

        Raises:
            ConfigError: Unknown presets or keys, or values out of range; all faults at once.
        """
        values = dict(project.settings.train)
        values |= load_preset(preset) if preset else {}
        values |= dict(parse_override(text) for text in overrides)
        return validated(values, f"{project.file} [train]")


class RunConfig(Section):
    """A run, complete and frozen: ``config.toml`` of its job. All paths are absolute."""

    name: str
    """Name of the LoRA and of its files."""
    family: Literal["sd15", "sdxl"] = "sd15"
    """Base model family."""
    project: Path
    """Project folder; the paths in events are relative to it."""
    dataset: Path
    """Dataset file in sd-scripts' format."""
    output: Path
    """Where the LoRA files go."""
    samples: Path
    """Where samples go."""
    cache: Path
    """Where encoded images are kept; may be deleted at any time."""
    train: TrainSettings = TrainSettings()
    """The settings of the run."""

    @property
    def base(self) -> Path:
        """The base model's folder.

        Raises:
            ConfigError: None is set.
        """
        if not self.train.base:
            raise ConfigError("No base model is set.", "Set base in [train], or: --set base=FOLDER")
        return base_folder(self.train.base, self.project)

    def to_toml(self) -> str:
        """Return the text of ``config.toml``."""
        return tomlkit.dumps(self.model_dump(mode="json", exclude_none=True))

    @classmethod
    def from_toml(cls, text: str) -> "RunConfig":
        """Read the text of ``config.toml``.

        Raises:
            ConfigError: It is not what ``to_toml`` writes.
        """
        try:
            return cls.model_validate(parse_toml(text))
        except ValueError as error:
            raise ConfigError(f"config.toml is not valid TOML: {error}") from error
        except ValidationError as error:
            faults = "; ".join(describe_faults(error, cls))
            raise ConfigError(f"config.toml: {faults}") from error


def base_folder(base: str, project: Path) -> Path:
    """Return the folder of a base model as the setting names it.

    Raises:
        ConfigError: It begins with ``~`` and a user that does not exist.
    """
    try:
        return project / Path(base).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"There is no home folder for {base}.", "Write its path out.") from error


def validated(values: Mapping[str, Any], place: str) -> TrainSettings:
    """Make settings of ``values``; faults name ``place`` and the nearest known key.

    Raises:
        ConfigError: With every fault.
    """
    try:
        return TrainSettings.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(describe_faults(error, TrainSettings))
        raise ConfigError(f"{place}: {faults}") from error


def presets() -> dict[str, str]:
    """Return the names of the presets, each with its description."""
    found = {}
    for path in sorted(PRESETS.glob("*.toml")):
        found[path.stem] = str(parse_toml(read_text(path)).get("description", ""))
    return found


def load_preset(name: str) -> dict[str, Any]:
    """Return the values of a preset.

    Raises:
        ConfigError: There is none of that name.
    """
    path = PRESETS / f"{name}.toml"
    if name not in presets():
        raise ConfigError(f"There is no preset {name}.", f"Presets: {', '.join(presets())}")
    values = parse_toml(read_text(path))
    values.pop("description", None)
    return values


def parse_override(text: str) -> tuple[str, Any]:
    """Split ``key=value``; the value is read as TOML, else taken as text.

    Example:
        >>> parse_override("rank=8"), parse_override("base=model/base")
        (('rank', 8), ('base', 'model/base'))

    Raises:
        ConfigError: There is no ``=``.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"--set {text} is not of the form key=value.", "Example: --set rank=16")
    try:
        return key.strip(), parse_toml(f"value = {value}")["value"]
    except ValueError:
        return key.strip(), value.strip()
