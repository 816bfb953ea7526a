"""Loading a base model with the code of its family. Imports torch only when it loads."""

from typing import TYPE_CHECKING, cast

from prep.errors import ConfigError
from train.config import RunConfig
from train.families.base_model import BaseModel

if TYPE_CHECKING:
    from train.arithmetic.precision import PrecisionPolicy
    from train.families.base import Family
    from train.families.latent_diffusion import LatentDiffusion


def _sd15() -> "type[LatentDiffusion]":
    from train.families.sd15 import StableDiffusion15

    return StableDiffusion15


def _sdxl() -> "type[LatentDiffusion]":
    from train.families.sdxl import StableDiffusionXL

    return StableDiffusionXL


FAMILIES = {"sd15": _sd15, "sdxl": _sdxl}
"""The families that are trained here, by name, each with the function that imports it."""


def empty_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Return a base model with new weights and without tokenizers, to measure with."""
    return cast("Family", FAMILIES[base.family]().empty(base, policy))


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


def refuse_other_family(run: RunConfig, base: BaseModel) -> None:
    """Refuse a base model of another family than the project's.

    Raises:
        ConfigError: It is one.
    """
    if base.family != run.family:
        side = {"sd15": 512, "sdxl": 1024}[base.family]
        raise ConfigError(
            f"The project is for {run.family}, and {base.name} is a base model of {base.family}.",
            f'In [project], set family = "{base.family}" and resolution = {side}, or choose another'
            " base model.",
        )


def open_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Return a base model whose parts are loaded when they are used: frozen, as ``policy`` says.

    Raises:
        UserError: Its files are broken; also when a part is loaded, or does not fit into memory.
    """
    return cast("Family", FAMILIES[base.family]().open(base, policy))


def load_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Load a base model whole.

    Raises:
        UserError: Its files are broken, or it does not fit into memory.
    """
    return cast("Family", FAMILIES[base.family]().load(base, policy))
