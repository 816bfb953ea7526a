"""Loading a base model with the code of its family. Imports torch only when it loads."""

from typing import TYPE_CHECKING

from train.config import RunConfig
from train.families.base_model import BaseModel

if TYPE_CHECKING:
    from train.arithmetic.precision import PrecisionPolicy
    from train.families.base import Family


def _sd15(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    from train.families.sd15 import StableDiffusion15

    return StableDiffusion15.load(base, policy)


def _sdxl(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    from train.families.sdxl import StableDiffusionXL

    return StableDiffusionXL.load(base, policy)


FAMILIES = {"sd15": _sd15, "sdxl": _sdxl}
"""The families that are trained here, by name, each with the function that loads it."""


def empty_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Return a base model with new weights and without tokenizers, to measure with."""
    from train.families.sd15 import StableDiffusion15
    from train.families.sdxl import StableDiffusionXL

    if base.family == "sdxl":
        return StableDiffusionXL.empty(base, policy)
    return StableDiffusion15.empty(base, policy)


def opened_base(run: RunConfig) -> BaseModel:
    """Open the base model of a run as its settings describe it.

    Raises:
        UserError: As ``BaseModel.open``, or no base model is set.
    """
    settings = run.train
    return BaseModel.open(
        run.base,
        vae=run.vae,
        prediction=settings.prediction,
        zero_terminal_snr=settings.zero_terminal_snr,
    )


def load_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Load a base model: frozen, on the device and in the format of ``policy``.

    Raises:
        UserError: Its files are broken, or it does not fit into memory.
    """
    return FAMILIES[base.family](base, policy)
