"""Loading a base model with the code of its family. Imports torch only when it loads."""

from typing import TYPE_CHECKING

from train.families.base_model import BaseModel

if TYPE_CHECKING:
    from train.arithmetic.precision import PrecisionPolicy
    from train.families.base import Family


def _sd15(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    from train.families.sd15 import StableDiffusion15

    return StableDiffusion15.load(base, policy)


FAMILIES = {"sd15": _sd15}
"""The families that are trained here, by name, each with the function that loads it."""


def load_family(base: BaseModel, policy: "PrecisionPolicy") -> "Family":
    """Load a base model: frozen, on the device and in the format of ``policy``.

    Raises:
        UserError: Its files are broken, or it does not fit into memory.
    """
    return FAMILIES[base.family](base, policy)
