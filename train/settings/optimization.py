"""How the weights move: optimiser, learning rates and their schedule."""

from typing import Literal

from pydantic import Field

from prep.section import Section


class OptimizationSettings(Section):
    """How the weights move: optimiser, learning rates and their schedule."""

    learning_rate: float = Field(1e-4, gt=0)
    """Learning rate of the UNet."""
    text_encoder_learning_rate: float | None = Field(None, ge=0)
    """Learning rate of the text encoder; when absent, that of the UNet. 0 does not train it."""
    text_encoder_2_learning_rate: float | None = Field(None, ge=0)
    """Learning rate of SDXL's second text encoder; when absent, that of the first. 0 does not train
    it."""
    optimizer: Literal["adamw"] = "adamw"
    """The optimiser."""
    weight_decay: float = Field(0.01, ge=0)
    """AdamW's weight decay."""
    max_grad_norm: float = Field(1.0, ge=0)
    """Longer gradients are scaled down to this length; 0 means never."""
    scheduler: Literal["constant", "cosine"] = "cosine"
    """How the learning rate moves after the warm-up: it stays, or falls along a cosine to 0."""
    warmup_steps: int = Field(0, ge=0)
    """Steps in which the learning rate rises from 0."""
