"""Every setting of a training run, typed once.

The same models give the ``[train]`` table of ``shikomi.toml``, the presets, ``--set``, the form of
the terminal application and the documentation. Nothing here imports torch.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

import tomlkit
from pydantic import ValidationError, model_validator

from prep.errors import ConfigError
from prep.project import Project, Section
from prep.project.faults import describe_faults
from prep.texts import parse_toml, read_text
from prep.training_set.plan import StepSettings
from train.hub import model_file
from train.settings.captions import CaptionSettings
from train.settings.model import BaseSettings, FamilyName
from train.settings.network import NetworkSettings
from train.settings.objective import ObjectiveSettings
from train.settings.optimization import OptimizationSettings
from train.settings.samples import SampleSettings
from train.settings.saving import SaveSettings
from train.settings.validation import ValidationSettings

PresetKind = Literal["purpose", "memory"]
"""What a preset is for: a purpose sets what is learned, memory how it fits on a card."""

PRESETS = Path(__file__).parent / "presets"
"""A folder for each kind, in it a file for each preset."""


def _either(setting: float | None, other: float) -> float:
    return other if setting is None else setting


class TrainSettings(
    ValidationSettings,
    SampleSettings,
    SaveSettings,
    CaptionSettings,
    ObjectiveSettings,
    OptimizationSettings,
    NetworkSettings,
    BaseSettings,
    StepSettings,
):
    """The ``[train]`` table: what a run does. The defaults suit 10 to 100 images on SD 1.5."""

    def rates(self, family: FamilyName) -> dict[str, float]:
        """Return the learning rate of each part of a model; 0 for parts that are not trained.

        Example:
            >>> TrainSettings(learning_rate=1e-4, train_text_encoder=True).rates("sd15")
            {'unet': 0.0001, 'text_encoder': 0.0001}
        """
        trained = self.train_text_encoder
        if trained is None:
            trained = family == "sd15" and self.method == "lora"
        first = _either(self.text_encoder_learning_rate, self.learning_rate)
        second = _either(self.text_encoder_2_learning_rate, first)
        found = {"unet": self.learning_rate, "text_encoder": first if trained else 0.0}
        return found | ({"text_encoder_2": second if trained else 0.0} if family == "sdxl" else {})

    def trains_texts(self, family: FamilyName) -> bool:
        """Return whether a text encoder is trained."""
        return any(rate for part, rate in self.rates(family).items() if part != "unet")

    def without_graphs(self) -> str:
        """Return the setting with which steps cannot be recorded as graphs; empty for none."""
        found = {
            "gradient_checkpointing": self.gradient_checkpointing,  # reads the state of generators
            "method": self.method == "full",  # gradients come and go one by one
            "module_dropout": self.module_dropout > 0,  # decided by the processor in each step
            "noisy_rank_share": self.noisy_rank_share < 1,
        }
        return next((name for name, chosen in found.items() if chosen), "")

    @model_validator(mode="after")
    def _can_be_executed(self) -> Self:
        if self.execution == "graphs" and (other := self.without_graphs()):
            raise ValueError(f"execution = graphs is not possible with {other}")
        return self

    @property
    def kept_saves(self) -> int:
        """How many saved files of a run are kept; 0 means all."""
        usual = 1 if self.method == "full" else 0
        return usual if self.keep_saves is None else self.keep_saves

    @property
    def kept_states(self) -> int:
        """How many states are kept: those of whole models are three times a model's size."""
        return 1 if self.method == "full" else 2

    @classmethod
    def from_project(
        cls,
        project: Project,
        presets: Iterable[str] = (),
        overrides: Iterable[str] = (),
        translated: Mapping[str, Any] | None = None,
    ) -> "TrainSettings":
        """Combine the sources of settings.

        Each takes precedence over the one before: defaults, ``[train]``, the settings of another
        trainer's file (``translated``), the presets in their order, the ``key=value`` overrides.

        Raises:
            ConfigError: Unknown presets or keys, or values out of range; all faults at once.
        """
        values = {**project.settings.train, **(translated or {})}
        values |= load_presets(presets, project.settings.project.family)
        given = dict(parse_override(text) for text in overrides)
        table = f"{project.file} [train]"
        if not given:
            return validated(values, table)
        try:
            return validated(values | given, "--set")
        except ConfigError:
            validated(values, table)  # without them, too, the table may be at fault
            raise


class RunConfig(Section):
    """A run, complete and frozen: ``config.toml`` of its job. All paths are absolute."""

    name: str
    """Name of the LoRA and of its files."""
    family: FamilyName = "sd15"
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
        """The base model's file or folder; see ``model_file``.

        Raises:
            ConfigError: None is set.
        """
        if not self.train.base:
            raise ConfigError(
                "No base model is set.",
                'Write its file into shikomi.toml, below [train]: base = "PATH". For one run, --set'
                " base=PATH is enough.",
            )
        return model_file(self.train.base, self.project)

    @property
    def vae(self) -> Path | None:
        """The separate VAE's file or folder; ``None`` for the base model's own."""
        return model_file(self.train.vae, self.project) if self.train.vae else None

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


def presets(kind: PresetKind | None = None) -> dict[str, str]:
    """Return the names of the presets, each with its description.

    Args:
        kind: Only those for a purpose, or only those for an amount of memory.
    """
    found = {}
    for path in _preset_files(kind):
        found[path.stem] = str(parse_toml(read_text(path)).get("description", ""))
    return found


def _preset_files(kind: PresetKind | None = None) -> list[Path]:
    """Return the files of presets; 8gb comes before 12gb."""
    kinds: tuple[PresetKind, ...] = (kind,) if kind else get_args(PresetKind)
    return [
        path
        for kind in kinds
        for path in sorted((PRESETS / kind).glob("*.toml"), key=lambda p: (len(p.stem), p.stem))
    ]


def load_preset(name: str, family: FamilyName) -> dict[str, Any]:
    """Return the values of a preset for a family.

    Its table ``[sdxl]`` takes precedence for SDXL.

    Raises:
        ConfigError: There is none of that name.
    """
    for path in _preset_files():
        if path.stem == name:
            values = parse_toml(read_text(path))
            values.pop("description", None)
            own: dict[str, Any] = values.pop("sdxl", {})
            return values | (own if family == "sdxl" else {})
    known = ", ".join(presets())
    raise ConfigError(f"There is no preset {name}.", f"Presets to choose from: {known}")


def load_presets(names: Iterable[str], family: FamilyName) -> dict[str, Any]:
    """Return the values of several presets; later ones take precedence.

    Raises:
        ConfigError: There is none of a name.
    """
    values: dict[str, Any] = {}
    for name in names:
        values |= load_preset(name, family)
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
