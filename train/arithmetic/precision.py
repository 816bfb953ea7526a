"""Which number format the base model runs in, decided by what the device supports."""

from dataclasses import dataclass

import torch

from train.settings.model import Precision

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "fp16": torch.float16}


@dataclass(frozen=True)
class PrecisionPolicy:
    """A device, the format of frozen weights and activations, and why it was chosen.

    Models are cast to the format once, when they are loaded: nothing is cast in a step but what
    goes in, and the weights that train, which stay in fp32.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose(precision: Precision, device: torch.device) -> PrecisionPolicy:
    """Return the policy for a setting; ``auto`` looks at the device.

    Args:
        precision: The setting.
        device: Where the models are.
    """
    if precision != "auto":
        return PrecisionPolicy(device, _DTYPES[precision], "as set")
    if device.type == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return PrecisionPolicy(device, torch.bfloat16, "the GPU computes in bf16")
        return PrecisionPolicy(device, torch.float16, "the GPU is too old for bf16")
    if device.type == "cpu" and _cpu_computes_bf16():
        return PrecisionPolicy(device, torch.bfloat16, "the CPU computes in bf16")
    return PrecisionPolicy(device, torch.float32, "the device does not compute in bf16")


def _cpu_computes_bf16() -> bool:
    """Return whether the CPU has instructions for bf16 products; without them fp32 is faster."""
    asks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, ask, bool)() for ask in asks)


def default_device() -> torch.device:
    """Return the GPU when there is one, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
