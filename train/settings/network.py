"""What is trained: the adapter and the parts of the model that it is attached to."""

from pydantic import Field

from prep.section import Section


class NetworkSettings(Section):
    """What is trained: the adapter and the parts of the model that it is attached to."""

    rank: int = Field(32, ge=1, le=1024)
    """Rank of the LoRA: how much it can hold. 8 to 32 for a character, 32 to 64 for a style."""
    alpha: float = Field(16.0, gt=0)
    """The LoRA acts with alpha / rank; half the rank is usual. Changing it acts like changing the
    learning rate."""
    conv_rank: int = Field(0, ge=0, le=1024)
    """Rank for the 3x3 convolutions (LoCon: finer texture, larger file); 0 trains no convolution
    blocks."""
    conv_alpha: float = Field(1.0, gt=0)
    """As alpha, for the 3x3 convolutions."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the LoRA's inner values switched off at random in each step; 0 to 0.3."""
    train_text_encoder: bool | None = None
    """Train the text encoders too. When absent: yes for SD 1.5, where new words need it, and no for
    SDXL, whose text encoders are easily spoilt. Off for a style without a trigger."""
