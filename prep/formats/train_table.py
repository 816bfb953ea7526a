"""The settings of the ``[train]`` table that other trainers also have.

``train.config`` owns these settings and checks them; only those that have a
counterpart elsewhere are read here. The defaults must be the same (a test compares them).
"""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prep.errors import ConfigError
from prep.project import FILE_NAME, Project, describe_faults
from prep.training_set.plan import StepSettings


class TrainTable(StepSettings):
    """The settings that other trainers also know."""

    base: str = ""
    """Base model."""
    rank: int = 32
    """Rank of the LoRA."""
    alpha: float = 16.0
    """The LoRA acts with alpha / rank."""
    conv_rank: int = 0
    """Rank for 3x3 convolutions; 0 for none."""
    conv_alpha: float = 1.0
    """As alpha, for them."""
    dropout: float = 0.0
    """Share of inner values switched off at random."""
    train_text_encoder: bool | None = None
    """Train the text encoders too; absent: for SD 1.5."""
    learning_rate: float = 1e-4
    """Of the UNet."""
    text_encoder_learning_rate: float | None = None
    """Absent: the same as learning_rate; 0 does not train it."""
    text_encoder_2_learning_rate: float | None = None
    """Of SDXL's second text encoder; absent: the same as of the first."""
    weight_decay: float = 0.01
    """Of AdamW."""
    max_grad_norm: float = 1.0
    """0 means never."""
    scheduler: str = "cosine"
    """constant or cosine."""
    warmup_steps: int = 0
    """Steps in which the learning rate rises."""
    precision: str = "auto"
    """auto, bf16, fp16 or fp32."""
    gradient_checkpointing: bool = False
    """Less memory for more time."""
    min_snr_gamma: float = 5.0
    """0 switches it off."""
    noise_offset: float = 0.0
    """0 switches it off."""
    seed: int = 42
    """Decides what is random."""
    caption_dropout: float | None = None
    """Share of images seen without caption."""
    tag_dropout: float | None = None
    """Share of tags left out of each caption."""
    clip_skip: int = 1
    """Layer of the text encoder, from the end."""
    max_token_length: int = 75
    """75, 150 or 225."""
    save_every_epochs: int = 1
    """0 means only at the end."""
    save_every_steps: int = 0
    """0 means never."""
    save_precision: str = "fp16"
    """fp16, bf16 or fp32."""
    sample_prompts: tuple[str, ...] = ()
    """Prompts, or files of prompts."""
    sample_every_epochs: int = 1
    """0 means never."""
    sample_every_steps: int = 0
    """0 means never."""
    sample_at_start: bool = False
    """Draw before the first step too."""
    sample_steps: int = 20
    """Denoising steps."""
    sample_cfg: float = 7.0
    """Guidance scale."""
    sampler: str = "ddim"
    """Sampling method."""
    validation_fraction: float = 0.0
    """Share of the images held out."""
    validate_every_epochs: int = 1
    """How often the validation loss is measured."""

    @property
    def text_encoder_rate(self) -> float:
        """The learning rate of the text encoder, 0 if it is not trained."""
        if self.train_text_encoder is False:
            return 0.0
        rate = self.text_encoder_learning_rate
        return self.learning_rate if rate is None else rate


def train_table(project: Project) -> TrainTable:
    """Return the settings of a project.

    Raises:
        ConfigError: One of them is not a number, or out of range.
    """
    table = project.settings.train
    known: dict[str, Any] = {k: v for k, v in table.items() if k in TrainTable.model_fields}
    known.setdefault("train_text_encoder", project.settings.project.family == "sd15")
    try:
        return TrainTable.model_validate(known)
    except ValidationError as error:
        faults = "; ".join(f"train.{fault}" for fault in describe_faults(error, TrainTable))
        raise ConfigError(f"{project.root / FILE_NAME}: {faults}") from error


def base_model(project: Project, table: TrainTable) -> str:
    """Return the base model: an absolute path if it is on this computer, else as written."""
    try:
        given = Path(table.base).expanduser()
    except RuntimeError:  # ~somebody who does not exist
        return table.base
    place = project.root / given
    return str(place) if table.base and place.exists() else str(given) if table.base else ""


def step_limit(table: TrainTable, steps: int) -> int:
    """Return max_steps where it ends the run; 0 where the epochs do, as the plan counts them.

    Args:
        table: The settings.
        steps: Of the plan, which takes the smaller number.
    """
    return table.max_steps if table.max_steps and steps >= table.max_steps else 0
