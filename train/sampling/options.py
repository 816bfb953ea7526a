"""Options of the verbs that draw pictures; torch-free, since the command line reads them."""

from pathlib import Path

from pydantic import Field

from prep.project import Section
from train.config import SamplerName


class DrawOptions(Section):
    """What sample and grid have in common; what is absent comes from ``[train]``."""

    base: str = ""
    """Base model folder, relative to the project or absolute; [train] base when absent."""
    prompt: tuple[str, ...] = ()
    """What to draw, with options as ` --d 1 --n bad`; an entry that ends in .txt is a file of
    prompts; sample_prompts of [train] when absent."""
    negative: str = ""
    """What not to draw, where a prompt says nothing about it."""
    width: int | None = Field(None, ge=16, le=4096)
    """Pixels; the training resolution when absent."""
    height: int | None = Field(None, ge=16, le=4096)
    """Pixels; the training resolution when absent."""
    seed: int | None = Field(None, ge=0, lt=2**32)
    """Seed of the first picture; the following ones count up. seed of [train] when absent."""
    steps: int | None = Field(None, ge=1, le=1000)
    """Denoising steps."""
    cfg: float | None = Field(None, ge=0)
    """Guidance scale."""
    sampler: SamplerName | None = None
    """Sampling method."""
    out: Path | None = None
    """Folder for the pictures; output/samples or output/grids when absent."""


class SampleOptions(DrawOptions):
    """Draw pictures with a base model and any LoRAs."""

    lora: tuple[str, ...] = ()
    """LoRA as NAME:WEIGHT; NAME is a file, or one of output/lora without its ending."""
    count: int = Field(1, ge=1, le=10_000)
    """Pictures per prompt, each with the next seed."""


class GridOptions(DrawOptions):
    """Draw a contact sheet: one row per LoRA file, one column per strength."""

    lora: tuple[str, ...] = ()
    """LoRA files, top to bottom; all of this project's in output/lora when absent."""
    strengths: tuple[float, ...] = (0.0, 0.6, 0.8, 1.0)
    """Strengths, left to right; 0 shows the base model alone."""
