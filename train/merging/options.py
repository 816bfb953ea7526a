"""Options of the verbs that make LoRA files of others; torch-free, the command line reads them."""

from pathlib import Path

from pydantic import Field

from prep.section import Section
from train.settings.saving import SavePrecision


class NewFile(Section):
    """What all new files have in common."""

    out: Path | None = None
    """New file; one that exists is never replaced. Default: in output/lora, or in
    output/checkpoints for a model, under a name that is free."""
    precision: SavePrecision = "fp16"
    """Format of the weights of a new LoRA: fp16, bf16 or fp32."""


class MergeOptions(NewFile):
    """Merge LoRAs into one, or into a model."""

    lora: tuple[str, ...] = ()
    """LoRA, as NAME:STRENGTH; NAME is a file, or a name in output/lora; repeatable."""
    into: str = ""
    """Merge them into this model, a file or a folder; the result is a checkpoint of its own."""
    rank: int | None = Field(None, ge=1, le=1024)
    """Rank of the new LoRA, which is then as close to the sum as that rank allows. Default: the
    ranks together, which is exact."""
    base: str = ""
    """Model that the LoRAs were made for; their sizes are compared with it, and DoRA needs its
    weights. Default: base of [train]."""


class ResizeOptions(NewFile):
    """Give a LoRA another rank."""

    lora: str = ""
    """LoRA file, or a name in output/lora."""
    rank: int | None = Field(None, ge=1, le=1024)
    """Highest rank of a module."""
    keep: float = Field(1.0, gt=0, le=1)
    """Share of each module's change, by its squares, for which the rank is chosen: 0.95 makes a
    small file of a large one with hardly a difference."""
    base: str = ""
    """Model that the LoRA was made for; DoRA needs its weights. Default: base of [train]."""


class ExtractOptions(NewFile):
    """Make a LoRA of what distinguishes two models."""

    model: str = ""
    """Model that was trained further: a file, a folder, or a name on the hub."""
    base: str = ""
    """Model that it was trained from. Default: base of [train]."""
    rank: int = Field(32, ge=1, le=1024)
    """Highest rank of a module."""
    conv_rank: int = Field(0, ge=0, le=1024)
    """Highest rank of 3x3 convolutions; 0 leaves them out."""
    keep: float = Field(1.0, gt=0, le=1)
    """Share of each module's difference, by its squares, for which the rank is chosen."""
    text_encoder: bool = True
    """Also take the difference of the text encoders."""
