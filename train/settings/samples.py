"""What is drawn during training."""

from typing import Literal

from pydantic import Field

from prep.section import Section

SamplerName = Literal["ddim", "euler", "euler_a", "dpmpp_2m", "dpmpp_2m_karras", "unipc"]


class SampleSettings(Section):
    """What is drawn during training."""

    sample_prompts: tuple[str, ...] = ()
    """Prompts to draw during training, each with options as ` --d 1 --n bad`; an entry that ends
    in .txt is a file of prompts."""
    sample_every_epochs: int = Field(1, ge=0)
    """Draw the prompts after this many epochs, and after the last step; 0 means never."""
    sample_every_steps: int = Field(0, ge=0)
    """The same, counted in steps; 0 means never."""
    sample_at_start: bool = False
    """Draw them before the first step too: what the base model does alone."""
    sample_steps: int = Field(20, ge=1, le=1000)
    """Denoising steps of a sample."""
    sample_cfg: float = Field(7.0, ge=0)
    """Guidance scale of a sample."""
    sampler: SamplerName = "ddim"
    """Sampling method."""
