"""Key tables: which modules a LoRA touches, and what they are called in a LoRA file.

The tables are built from a model's configuration and not read off live modules, since libraries
rename their modules (transformers 5 dropped ``text_model.``) and files must not change with them.
The names are kohya's, which every program reads (sd-scripts ``networks/lora.py``).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.errors import UserError

UNET_PREFIX = "lora_unet_"
TEXT_PREFIX = "lora_te_text_model_"

_ATTENTION_LEAVES = ("to_q", "to_k", "to_v", "to_out.0")
_FEED_FORWARD_LEAVES = ("ff.net.0.proj", "ff.net.2")
_TEXT_LEAVES = (
    *(f"self_attn.{leaf}_proj" for leaf in ("q", "k", "v", "out")),
    "mlp.fc1",
    "mlp.fc2",
)
_BLOCK = r"(down_blocks_\d_|mid_block_|up_blocks_\d_)"
_UNET_PATTERN = re.compile(
    UNET_PREFIX
    + _BLOCK
    + r"(attentions_\d_(proj_in|proj_out|transformer_blocks_\d+_"
    + r"(attn[12]_to_(q|k|v|out_0)|ff_net_(0_proj|2)))"
    + r"|resnets_\d_(conv1|conv2|time_emb_proj|conv_shortcut)|(down|up)samplers_0_conv)"
)
_TEXT_PATTERN = re.compile(
    TEXT_PREFIX + r"encoder_layers_\d+_(self_attn_(q|k|v|out)_proj|mlp_fc[12])"
)


@dataclass(frozen=True)
class UNetLayout:
    """The blocks of a ``UNet2DConditionModel``, as described by its ``config.json``.

    Attributes:
        down_attention: For each down block: has it attention?
        up_attention: For each up block.
        channels: Channels of each down block.
        layers: Resnets of a down block; an up block has one more.
        depth: Transformer blocks of one attention.
    """

    down_attention: tuple[bool, ...]
    up_attention: tuple[bool, ...]
    channels: tuple[int, ...]
    layers: int = 2
    depth: int = 1

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "UNetLayout":
        """Read a UNet's configuration.

        Raises:
            UserError: Blocks of another kind than SD 1.5 has.
        """
        down = [str(name) for name in config["down_block_types"]]
        up = [str(name) for name in config["up_block_types"]]
        known = {"CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
        layers, depth = config["layers_per_block"], config.get("transformer_layers_per_block", 1)
        if set(down + up) - known or not isinstance(layers, int) or not isinstance(depth, int):
            raise UserError(
                "The UNet of this base model is not built like Stable Diffusion 1.5.",
                "Choose an SD 1.5 model as base.",
            )
        return cls(
            tuple(name.startswith("Cross") for name in down),
            tuple(name.startswith("Cross") for name in up),
            tuple(config["block_out_channels"]),
            layers,
            depth,
        )


SD15_LAYOUT = UNetLayout(
    (True, True, True, False), (False, True, True, True), (320, 640, 1280, 1280)
)
"""Stable Diffusion 1.5 at full size."""


def unet_modules(layout: UNetLayout, *, conv: bool = False) -> list[str]:
    """Return the paths of the modules that are trained, in the model's order.

    Args:
        layout: The blocks.
        conv: With the convolution blocks (LoCon): 278 modules for SD 1.5 instead of 192.
    """
    found: list[str] = []
    last = len(layout.channels) - 1
    for index, attention in enumerate(layout.down_attention):
        block = f"down_blocks.{index}"
        found += _attentions(block, layout.layers if attention else 0, layout.depth)
        if conv:
            grows = layout.channels[index] != layout.channels[max(0, index - 1)]
            found += _resnets(block, layout.layers, shortcuts=range(1) if grows else ())
            found += [f"{block}.downsamplers.0.conv"] if index < last else []
    found += _attentions("mid_block", 1, layout.depth)
    found += _resnets("mid_block", 2, shortcuts=()) if conv else []
    for index, attention in enumerate(layout.up_attention):
        block, count = f"up_blocks.{index}", layout.layers + 1
        found += _attentions(block, count if attention else 0, layout.depth)
        if conv:
            # Skip connections widen the input of every up resnet, hence a shortcut in each.
            found += _resnets(block, count, shortcuts=range(count))
            found += [f"{block}.upsamplers.0.conv"] if index < last else []
    return found


def _attentions(block: str, count: int, depth: int) -> list[str]:
    found = []
    for index in range(count):
        place = f"{block}.attentions.{index}"
        found.append(f"{place}.proj_in")
        for level in range(depth):
            inner = f"{place}.transformer_blocks.{level}"
            found += [
                f"{inner}.{a}.{leaf}" for a in ("attn1", "attn2") for leaf in _ATTENTION_LEAVES
            ]
            found += [f"{inner}.{leaf}" for leaf in _FEED_FORWARD_LEAVES]
        found.append(f"{place}.proj_out")
    return found


def _resnets(block: str, count: int, shortcuts: Sequence[int]) -> list[str]:
    found = []
    for index in range(count):
        leaves = ["conv1", "time_emb_proj", "conv2"]
        leaves += ["conv_shortcut"] if index in shortcuts else []
        found += [f"{block}.resnets.{index}.{leaf}" for leaf in leaves]
    return found


def text_modules(layers: int) -> list[str]:
    """Return the paths inside a CLIP text model (without ``text_model.``) that are trained."""
    return [f"encoder.layers.{i}.{leaf}" for i in range(layers) for leaf in _TEXT_LEAVES]


def unet_key(path: str) -> str:
    """Return the kohya name of a UNet module.

    Example:
        >>> unet_key("mid_block.attentions.0.proj_in")
        'lora_unet_mid_block_attentions_0_proj_in'
    """
    return UNET_PREFIX + path.replace(".", "_")


def text_key(path: str) -> str:
    """Return the kohya name of a text encoder module, whatever transformers calls it today.

    Example:
        >>> text_key("encoder.layers.0.mlp.fc1")
        'lora_te_text_model_encoder_layers_0_mlp_fc1'
    """
    return TEXT_PREFIX + path.replace(".", "_")


def module_of(key: str) -> str:
    """Return the module's name of a key of a LoRA file.

    Example:
        >>> module_of("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight")
        'lora_te_text_model_encoder_layers_0_mlp_fc1'
    """
    return key.partition(".")[0]


def is_sd15_module(name: str) -> bool:
    """Can a UNet or text encoder of the SD 1.5 family have this module?"""
    return bool(_UNET_PATTERN.fullmatch(name) or _TEXT_PATTERN.fullmatch(name))
