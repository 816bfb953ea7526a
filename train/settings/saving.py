"""What is saved, and when."""

from typing import Literal

from pydantic import Field

from prep.section import Section


class SaveSettings(Section):
    """What is saved, and when."""

    save_every_epochs: int = Field(1, ge=0)
    """Save the LoRA, and a state to resume from, after this many epochs; 0 means only at the
    end."""
    save_every_steps: int = Field(0, ge=0)
    """The same, counted in steps; 0 means never."""
    save_precision: Literal["fp16", "bf16", "fp32"] = "fp16"
    """Number format in the saved file."""
