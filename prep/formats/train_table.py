"""The settings of the ``[train]`` table that other trainers also have.

``train.config`` owns these settings and checks them; only those that have a
counterpart elsewhere are read here. The defaults must be the same (a test compares them).
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from prep.errors import ConfigError
from prep.project import FILE_NAME, Project
from prep.project.faults import describe_faults
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
    vae: str = ""
    """VAE to use instead of the base model's own."""
    prediction: str = "auto"
    """auto, epsilon or v_prediction."""
    zero_terminal_snr: bool | None = None
    """Absent: the base model's file decides."""
    rank_dropout: float = 0.0
    """Share of the ranks switched off at random."""
    module_dropout: float = 0.0
    """Share of the modules switched off at random."""
    max_norm: float = 0.0
    """Longest change of a module; 0 means no limit."""
    masked_loss: bool = False
    """Train with the masks of the project."""
    train_text_encoder: bool | None = None
    """Train the text encoders too; absent: for SD 1.5."""
    learning_rate: float = 1e-4
    """Of the UNet."""
    text_encoder_learning_rate: float | None = None
    """Absent: the same as learning_rate; 0 does not train it."""
    text_encoder_2_learning_rate: float | None = None
    """Of SDXL's second text encoder; absent: the same as of the first."""
    optimizer: str = "adamw"
    """A name, or the path of a class."""
    optimizer_args: dict[str, Any] = Field(default_factory=dict)
    """Further arguments of the optimiser."""
    weight_decay: float = 0.01
    """Of the optimiser."""
    betas: tuple[float, float] | None = None
    """Absent: as the optimiser has them."""
    eps: float | None = None
    """Absent: as the optimiser has it."""
    max_grad_norm: float = 1.0
    """0 means never."""
    scheduler: str = "cosine"
    """How the learning rate moves."""
    scheduler_cycles: int = 1
    """Of cosine_with_restarts."""
    scheduler_power: float = 1.0
    """Of polynomial."""
    scheduler_decay: float = 0.2
    """Share of the run in which wsd falls."""
    scheduler_minimum: float = 0.0
    """Share of the learning rate at the end."""
    warmup_steps: float = 0
    """Steps in which the learning rate rises; below 1, a share of the run."""
    precision: str = "auto"
    """auto, bf16, fp16 or fp32."""
    gradient_checkpointing: bool = False
    """Less memory for more time."""
    min_snr_gamma: float = 5.0
    """0 switches it off."""
    debiased_estimation_loss: bool = False
    """In place of min-SNR."""
    scale_v_pred_loss_like_noise_pred: bool = False
    """For v-prediction."""
    v_pred_like_loss: float = 0.0
    """For epsilon; 0 switches it off."""
    loss_type: str = "l2"
    """l2, huber or smooth_l1."""
    huber_schedule: str = "snr"
    """constant, exponential or snr."""
    huber_c: float = 0.1
    """Threshold of huber and smooth_l1."""
    huber_scale: float = 1.0
    """Multiplies the threshold."""
    noise_offset: float = 0.0
    """0 switches it off."""
    noise_offset_random_strength: bool = False
    """Between 0 and noise_offset."""
    adaptive_noise_scale: float = 0.0
    """0 switches it off."""
    multires_noise_iterations: int = 0
    """0 switches pyramid noise off."""
    multires_noise_discount: float = 0.3
    """Of pyramid noise."""
    ip_noise_gamma: float = 0.0
    """0 switches input perturbation off."""
    ip_noise_gamma_random_strength: bool = False
    """Between 0 and ip_noise_gamma."""
    min_timestep: int = 0
    """The first timestep that is trained."""
    max_timestep: int = 1000
    """The first one that is not any more."""
    timestep_sampling: str = "uniform"
    """uniform or logit_normal."""
    prior_loss_weight: float = 1.0
    """How much regularisation images count."""
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

    def warmup(self, steps: int) -> int:
        """Return the steps of the warm-up in a run of ``steps`` steps."""
        return int(self.warmup_steps * steps if self.warmup_steps < 1 else self.warmup_steps)

    @property
    def scheduler_with_warmup(self) -> str:
        """The scheduler as transformers calls it: its plain "constant" has no warm-up."""
        constant = self.scheduler == "constant" and self.warmup_steps
        return "constant_with_warmup" if constant else self.scheduler


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


def left_out(project: Project, carried: Collection[str]) -> str:
    """Return a comment that names the settings another trainer does not get; empty for none.

    Args:
        project: The project, with its ``[train]`` table.
        carried: Settings that the configuration expresses.
    """
    fields = TrainTable.model_fields
    usual = {name: field.get_default(call_default_factory=True) for name, field in fields.items()}
    found = [
        # As JSON, so that no value ends the line of the comment.
        f"{json.dumps(name)[1:-1]} = {json.dumps(value, default=str)}"
        for name, value in project.settings.train.items()
        if name not in carried and (name not in usual or value != usual[name])
    ]
    return f"# Without a counterpart here: {', '.join(found)}\n" if found else ""


def base_model(project: Project, table: TrainTable) -> str:
    """Return the base model: an absolute path if it is on this computer, else as written."""
    return model_path(project, table.base)


def model_path(project: Project, text: str) -> str:
    """Return a model that a setting names, in the same way."""
    try:
        given = Path(text).expanduser()
    except RuntimeError:  # ~somebody who does not exist
        return text
    place = project.root / given
    return str(place) if text and place.exists() else str(given) if text else ""


def step_limit(table: TrainTable, steps: int) -> int:
    """Return max_steps where it ends the run; 0 where the epochs do, as the plan counts them.

    Args:
        table: The settings.
        steps: Of the plan, which takes the smaller number.
    """
    return table.max_steps if table.max_steps and steps >= table.max_steps else 0
