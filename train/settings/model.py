"""Which base model is trained, and how it is held in memory."""

from typing import Literal

from pydantic import Field

from prep.section import Section

Precision = Literal["auto", "bf16", "fp32", "fp16"]


class BaseSettings(Section):
    """Which base model is trained, and how it is held in memory."""

    base: str = ""
    """Base model: a folder in the diffusers layout, absolute, from the home folder (~), or relative
    to the project."""
    precision: Precision = "auto"
    """Number format of the base model and its activations (the LoRA itself stays in fp32): auto
    takes bf16 where the device computes in it, else fp32."""
    gradient_checkpointing: bool = False
    """Half the memory for a quarter more time."""
    devices: int = Field(1, ge=1, le=64)
    """Processes, one per GPU."""
    seed: int = Field(42, ge=0, lt=2**32)
    """Decides noise, order, captions and first weights: same seed, same run."""
