"""What is trained: the adapter and the parts of the model that it is attached to."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from prep.section import Section

MethodName = Literal["lora", "full"]
NetworkName = Literal["lora", "dora", "loha", "lokr"]
DoraAxis = Literal["input", "output"]
Rank = Annotated[int, Field(ge=0, le=1024)]
Factor = Annotated[float, Field(gt=0, le=100)]

_OF_ADAPTERS = (
    "network",
    "rank",
    "alpha",
    "rank_stabilised",
    "conv_rank",
    "conv_alpha",
    "lokr_factor",
    "dora_axis",
    "block_ranks",
    "lora_plus_ratio",
    "dropout",
    "rank_dropout",
    "module_dropout",
    "noisy_rank_share",
    "max_norm",
    "start_from",
    "train_feed_forward",
)
"""Settings that mean nothing where the model's own weights are trained."""
_OF_LORA = ("dropout", "rank_dropout", "noisy_rank_share", "lora_plus_ratio")
"""Settings that act on the two matrices of a LoRA."""


class NetworkSettings(Section):
    """What is trained: the adapter and the parts of the model that it is attached to."""

    method: MethodName = "lora"
    """lora trains a small file beside the base model. full trains all weights of the model itself
    (DreamBooth, fine-tuning) and saves a whole checkpoint: for much larger datasets, with 16 bytes
    of memory for each weight and a learning_rate of 1e-6 to 1e-5."""
    network: NetworkName = "lora"
    """Kind of adapter. lora: two small matrices beside each layer, read by every program. dora:
    LoRA with trained magnitudes, often closer to full training at low ranks, a fifth to a half
    slower. loha and lokr: products of small matrices (LyCORIS) that hold more in a smaller file;
    programs that read LyCORIS draw with them, diffusers does not. With conv_rank, each of them
    trains the convolutions too (LoCon)."""
    rank: int = Field(32, ge=1, le=1024)
    """Rank of the adapter: how much it can hold. 8 to 32 for a character, 32 to 64 for a style;
    loha 4 to 16; lokr trains whole factors where the rank reaches half their side."""
    alpha: float = Field(16.0, gt=0)
    """The adapter acts with alpha / rank; half the rank is usual. Changing it acts like changing
    the learning rate."""
    rank_stabilised: bool = False
    """Act with alpha / sqrt(rank) (rsLoRA): the strength of a step then depends less on the rank,
    which helps from rank 64 on. Choose a smaller alpha, 1 to 8. Files carry an alpha with which
    every program draws the same."""
    conv_rank: int = Field(0, ge=0, le=1024)
    """Rank for the 3x3 convolutions (LoCon: finer texture, larger file); 0 trains no convolution
    blocks."""
    conv_alpha: float = Field(1.0, gt=0)
    """As alpha, for the 3x3 convolutions."""
    lokr_factor: int = Field(8, ge=-1, le=64)
    """lokr: size of the left factor; 4 to 16 are usual, and a larger one makes the file smaller.
    -1 makes both factors as near to each other as possible: the smallest file."""
    dora_axis: DoraAxis = "input"
    """dora: what has a magnitude of its own. input: each column of a weight, which A1111, Forge,
    ComfyUI and InvokeAI draw as it was trained. output: each row, as PEFT has it and LyCORIS by
    default; ComfyUI and Forge draw that a little differently, A1111 and InvokeAI wrongly. diffusers
    leaves the magnitudes out, with a warning."""
    block_ranks: dict[str, Rank] = Field(default_factory=dict)
    """Other ranks for parts of the model, such as {"down_blocks.1" = 8, "*attn2*" = 4}: the
    beginning of a module's name, with . or _ between its parts, or a pattern with *. Alpha
    follows in proportion; 0 leaves the modules out; of several that match, the last one counts."""
    block_learning_rates: dict[str, Factor] = Field(default_factory=dict)
    """Factors of the learning rate for parts of the model, named as in block_ranks, such as
    {"up_blocks" = 0.5}."""
    lora_plus_ratio: float = Field(1.0, ge=1.0, le=100.0)
    """LoRA+: the learning rate of the up matrices, as a multiple of the others'. 4 to 16 learn
    faster; lower learning_rate with it. 1 switches it off. lora and dora only."""
    dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the LoRA's inner values switched off at random in each step; 0 to 0.3. lora and dora
    only."""
    rank_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the ranks switched off at random for each image; 0 to 0.3. lora and dora only."""
    module_dropout: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the modules switched off at random in each batch; 0 to 0.3."""
    noisy_rank_share: float = Field(1.0, gt=0.0, le=1.0)
    """T-LoRA: share of the UNet's ranks that learn from pure noise; all learn from clean images.
    Small datasets overfit at high noise, and 0.5 holds that back. 1 switches it off. Training only:
    the file is an ordinary one. lora and dora only."""
    max_norm: float = Field(0.0, ge=0.0)
    """Longest change of a module's weight, as its norm: after each step, longer ones are scaled
    down to it. 1 keeps a LoRA from burning in and lets several be combined; 0 means no limit."""
    ema_decay: float = Field(0.0, ge=0.0, lt=1.0)
    """Save, validate and draw with a moving average of the weights instead of the last ones:
    steadier results, and a little more memory. 0.99 for some hundred steps, 0.999 for thousands; 0
    switches it off."""
    start_from: str = ""
    """A LoRA file that training goes on from: a path, or a name among the saved ones. It must be of
    the same kind and rank; modules that it lacks start afresh."""
    train_unet: bool = True
    """Train the UNet: off to teach the text encoder alone."""
    train_text_encoder: bool | None = None
    """Train the text encoders too. When absent: yes for a LoRA of SD 1.5, where new words need it;
    no for SDXL, whose text encoders are easily spoilt, and for full fine-tuning. Off for a style
    without a trigger."""
    train_feed_forward: bool = True
    """Train the feed-forward layers beside the attention: off makes the file about half as large
    and changes composition less."""

    @field_validator(*_OF_ADAPTERS)
    @classmethod
    def _of_adapters(cls, value: Any, info: ValidationInfo) -> Any:
        name = str(info.field_name)
        field = cls.model_fields[name]
        if info.data.get("method") == "full" and value != field.get_default(
            call_default_factory=True
        ):
            raise ValueError('is for LoRAs, and method = "full" trains the model itself')
        return value

    @field_validator(*_OF_LORA)
    @classmethod
    def _of_lora(cls, value: float, info: ValidationInfo) -> float:
        name, network = str(info.field_name), info.data.get("network")
        if network in ("loha", "lokr") and value != cls.model_fields[name].default:
            raise ValueError(f"acts on lora and dora, not on {network}; module_dropout acts on all")
        return value

    @field_validator("lokr_factor")
    @classmethod
    def _of_two_factors(cls, value: int) -> int:
        if value in (0, 1):
            raise ValueError(f"must be -1, or from 2 to 64, not {value}")
        return value
