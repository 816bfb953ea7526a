"""How the weights move: optimiser, learning rates and their schedule."""

import ast
import math
import tomllib
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from prep.section import Section
from train.settings.optimizers import OPTIMIZERS

SchedulerName = Literal[
    "constant", "linear", "cosine", "cosine_with_restarts", "polynomial", "rex", "wsd"
]


def _typed(value: Any) -> Any:
    """Return what a text says as a value of TOML or Python, as in "2", "true" and "True".

    Forms give texts, and so do arguments that were copied from sd-scripts. Anything else that is
    written stays a text.
    """
    if not isinstance(value, str) or "\n" in value:
        return value
    try:
        return tomllib.loads(f"value = {value}")["value"]
    except (ValueError, RecursionError):
        pass
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return value
    return found if isinstance(found, bool | tuple) else value


def _argument(value: Any) -> Any:
    """Return the value of an argument: a plain one, or a tuple of plain ones."""
    found = _typed(value)
    if isinstance(found, list):
        found = tuple(found)
    parts = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(part, bool | int | float | str) for part in parts):
        raise ValueError("must be a number, a text, true, false, or a list of these")
    return found


Argument = Annotated[Any, BeforeValidator(_argument)]
"""The value of an argument of an optimiser."""


class OptimizationSettings(Section):
    """How the weights move: optimiser, learning rates and their schedule."""

    learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of the UNet. adamw: 1e-4 for most LoRAs, 5e-5 to 5e-4. lion: a third to a tenth
    of that. prodigy finds the rate itself and needs 1. schedulefree: two to ten times adamw's."""
    text_encoder_learning_rate: float | None = Field(None, ge=0)
    """Learning rate of the text encoder; when absent, that of the UNet. 0 does not train it."""
    text_encoder_2_learning_rate: float | None = Field(None, ge=0)
    """Learning rate of SDXL's second text encoder; when absent, that of the first. 0 does not train
    it."""
    optimizer: str = "adamw"
    """adamw, adamw8bit, lion, lion8bit, adafactor, prodigy, schedulefree, or the path of any class,
    such as package.module.Class. At the size of a LoRA the 8-bit ones save 0.2 GB at most, and are
    no faster. All except adamw, lion and adafactor need: pip install 'shikomi[optimizers]'."""
    optimizer_args: dict[str, Argument] = Field(default_factory=dict)
    """Further arguments of the optimiser by name, such as { d_coef = 2.0 } for prodigy; they take
    precedence over the settings below."""
    weight_decay: float = Field(0.01, ge=0)
    """How strongly weights are pulled to 0, relative to the learning rate; 0 to 0.1. lion wants
    three to ten times as much as adamw."""
    betas: tuple[float, float] | None = None
    """How much of the past the averages of the gradient and of its square keep, each 0 to below 1;
    when absent, as the optimiser has it: 0.9 and 0.999 for adamw, 0.9 and 0.99 for lion and
    prodigy."""
    eps: float | None = Field(None, gt=0)
    """Keeps the step finite where gradients vanish; when absent, as the optimiser has it (1e-8)."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Longer gradients are scaled down to this length; 0 means never."""
    scheduler: SchedulerName = Field("cosine", validate_default=True)
    """How the learning rate moves after the warm-up: constant stays; linear, cosine and polynomial
    fall; rex stays high for longer and falls late; cosine_with_restarts falls and jumps back up;
    wsd stays and falls in the last part of the run."""
    scheduler_cycles: int = Field(1, ge=1, le=1000)
    """How often cosine_with_restarts falls."""
    scheduler_power: float = Field(1.0, gt=0, le=100)
    """Of polynomial: 1 falls along a line, 2 faster at first."""
    scheduler_decay: float = Field(0.2, gt=0, le=1)
    """The last share of the run, in which wsd falls; 0.1 to 0.2 is usual."""
    scheduler_minimum: float = Field(0.0, ge=0, le=1)
    """What the learning rate falls to, as a share of learning_rate; 0 to 0.1."""
    warmup_steps: float = Field(0, ge=0)
    """Steps in which the learning rate rises from 0; below 1, a share of the run, such as 0.05."""

    @field_validator("betas")
    @classmethod
    def _betas_below_one(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not all(0 <= beta < 1 for beta in value):
            raise ValueError("both must be at least 0 and below 1")
        return value

    def lower_rate(self) -> float:
        """Return the learning rate to try after one with which the loss became no number.

        A tenth of it, or the usual one: no optimiser but prodigy learns with rates above 1.

        Example:
            >>> [OptimizationSettings(learning_rate=r).lower_rate() for r in (0.5, 1e30)]
            [0.05, 0.0001]
        """
        if self.learning_rate > 1 and self.optimizer != "prodigy":
            return float(type(self).model_fields["learning_rate"].default)
        return self.learning_rate / 10

    @field_validator("optimizer")
    @classmethod
    def _known_optimizer(cls, name: str, info: ValidationInfo) -> str:
        """Refuse names of nothing, and learning rates that the optimiser cannot use."""
        if name not in OPTIMIZERS and not _is_class_path(name):
            near = get_close_matches(name, OPTIMIZERS, 1, 0.5)
            known = f"did you mean {near[0]}?" if near else f"known: {', '.join(OPTIMIZERS)}"
            raise ValueError(f"there is no optimizer {name} ({known})")
        rate = info.data.get("learning_rate", 1.0)
        parts = ("text_encoder_learning_rate", "text_encoder_2_learning_rate")
        others = {part: info.data.get(part) for part in parts}
        if name == "prodigy" and not 0.1 <= rate <= 10:
            raise ValueError(
                "prodigy finds the learning rate itself, and multiplies it with learning_rate:"
                f" set learning_rate = 1 (0.1 to 10), not {rate:g}"
            )
        for part, other in others.items():
            if name == "prodigy" and other not in (None, 0.0, rate):
                raise ValueError(
                    f"prodigy has one learning rate for all parts: leave {part} out, or set it to"
                    f" 0 or {rate:g}"
                )
        return name

    @field_validator("scheduler")
    @classmethod
    def _fits_optimizer(cls, name: SchedulerName, info: ValidationInfo) -> SchedulerName:
        if info.data.get("optimizer") == "schedulefree" and name != "constant":
            raise ValueError(
                "schedulefree averages the weights instead of lowering the learning rate:"
                ' set scheduler = "constant"'
            )
        return name

    @field_validator("warmup_steps")
    @classmethod
    def _whole_steps(cls, value: float) -> float:
        if value >= 1 and (math.isinf(value) or value != int(value)):
            raise ValueError(f"must be a whole number of steps, or a share below 1, not {value:g}")
        return value

    def warmup(self, steps: int) -> int:
        """Return the steps of the warm-up in a run of ``steps`` steps."""
        share = self.warmup_steps < 1
        return int(self.warmup_steps * steps) if share else int(self.warmup_steps)


def _is_class_path(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 1 and all(part.isidentifier() for part in parts)
