"""What is saved, and when."""

from typing import Literal

from pydantic import Field

from prep.section import Section

SavePrecision = Literal["fp16", "bf16", "fp32"]
"""Number formats of saved weights."""


class SaveSettings(Section):
    """What is saved, and when."""

    save_every_epochs: int = Field(1, ge=0)
    """Save the LoRA, and a state to resume from, after this many epochs; 0 means only at the
    end."""
    save_every_steps: int = Field(0, ge=0)
    """The same, counted in steps; 0 means never."""
    keep_saves: int | None = Field(None, ge=0)
    """How many of the files that a run saves are kept: the newest, with the last one. When absent:
    all of a LoRA's, and one of full fine-tuning, whose files are gigabytes. 0 means all."""
    save_precision: SavePrecision = "fp16"
    """Number format in the saved file."""
