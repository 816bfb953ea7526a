"""The modules of a base model: their paths and the shapes of their weights, from its configuration.

Nothing is read off live modules, since libraries rename theirs (transformers 5 dropped
``text_model.``) and LoRA files must not change with them. Paths are those of diffusers'
``UNet2DConditionModel`` and of transformers' ``CLIPTextModel`` without ``text_model.``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prep.errors import UserError

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""Shape of each module's weight: linear (out, in), convolution (out, in, k, k), norm (n,)."""
Kind = Literal["attention", "convolution", "other"]
"""Layers of a transformer, of a convolution block (LoCon), or what is never trained here."""
Layer = tuple[Kind, str, Shape]
"""Kind of a module, its path, and the shape of its weight."""


@dataclass(frozen=True)
class UNetLayout:
    """A ``UNet2DConditionModel``, as described by its ``config.json``.

    Attributes:
        down_attention: For each down block: has it attention?
        up_attention: For each up block.
        channels: Channels of each down block.
        layers: Resnets of a down block; an up block has one more.
        depth: Transformer blocks of each attention, for each down block; the middle has as many as
            the last one, and up blocks mirror down blocks.
        context: Width of the text states.
        latent: Channels of the input and of the output.
        linear: The projections around attention are linear layers, not 1x1 convolutions.
        pooled: Width of the pooled text states and size ids together; 0 where there are none.
    """

    down_attention: tuple[bool, ...]
    up_attention: tuple[bool, ...]
    channels: tuple[int, ...]
    layers: int = 2
    depth: tuple[int, ...] = (1, 1, 1, 1)
    context: int = 768
    latent: tuple[int, int] = (4, 4)
    linear: bool = False
    pooled: int = 0

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "UNetLayout":
        """Read a UNet's configuration.

        Raises:
            UserError: Blocks of another kind than SD 1.5 and SDXL have.
        """
        down = [str(name) for name in config["down_block_types"]]
        up = [str(name) for name in config["up_block_types"]]
        known = {"CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}
        layers, depth = config["layers_per_block"], config.get("transformer_layers_per_block", 1)
        depths = list(depth) if isinstance(depth, list | tuple) else [depth] * len(down)
        context = config.get("cross_attention_dim", 1280)
        numbers = (layers, context, *depths)
        if set(down + up) - known or not all(isinstance(n, int) for n in numbers):
            raise UserError(
                "The UNet of this base model is not built like Stable Diffusion 1.5 or SDXL.",
                "Choose an SD 1.5 or SDXL model as base.",
            )
        return cls(
            tuple(name.startswith("Cross") for name in down),
            tuple(name.startswith("Cross") for name in up),
            tuple(config["block_out_channels"]),
            layers,
            tuple(depths),
            context,
            (int(config.get("in_channels", 4)), int(config.get("out_channels", 4))),
            bool(config.get("use_linear_projection", False)),
            int(config.get("projection_class_embeddings_input_dim") or 0),
        )


@dataclass(frozen=True)
class TextLayout:
    """A CLIP text model, as described by its ``config.json``."""

    layers: int
    width: int
    inner: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "TextLayout":
        """Read a text encoder's configuration."""
        return cls(
            int(config["num_hidden_layers"]),
            int(config.get("hidden_size", 512)),
            int(config.get("intermediate_size", 2048)),
        )


SD15_LAYOUT = UNetLayout(
    (True, True, True, False), (False, True, True, True), (320, 640, 1280, 1280)
)
"""The UNet of Stable Diffusion 1.5 at full size."""
SDXL_LAYOUT = UNetLayout(
    (False, True, True),
    (True, True, False),
    (320, 640, 1280),
    depth=(1, 2, 10),
    context=2048,
    linear=True,
    pooled=2816,
)
"""The UNet of SDXL at full size."""
CLIP_L = TextLayout(12, 768, 3072)
"""The text encoder of SD 1.5, and the first one of SDXL."""
CLIP_BIG_G = TextLayout(32, 1280, 5120)
"""The second text encoder of SDXL."""


def unet_shapes(layout: UNetLayout) -> Shapes:
    """Return all modules of a UNet with the shapes of their weights."""
    return {path: shape for _, path, shape in unet_layers(layout)}


def text_layers(layout: TextLayout) -> Iterator[Layer]:
    """Yield the modules of a CLIP text model; files change no embeddings and no projection."""
    width, inner = layout.width, layout.inner
    for index in range(layout.layers):
        place = f"encoder.layers.{index}"
        for name in ("q", "k", "v", "out"):
            yield "attention", f"{place}.self_attn.{name}_proj", (width, width)
        yield "attention", f"{place}.mlp.fc1", (inner, width)
        yield "attention", f"{place}.mlp.fc2", (width, inner)
        yield from (("other", f"{place}.layer_norm{number}", (width,)) for number in (1, 2))
    yield "other", "final_layer_norm", (width,)


def unet_layers(layout: UNetLayout) -> Iterator[Layer]:
    """Yield the modules of a UNet; those that are trained in the order in which they are trained.

    192 of SD 1.5 are of the kind attention and 86 are convolution blocks; of SDXL, 722 and 66.
    """
    channels = layout.channels
    last = len(channels) - 1
    for index, attention in enumerate(layout.down_attention):
        block, width = f"down_blocks.{index}", channels[index]
        before = channels[max(0, index - 1)]
        for number in range(layout.layers if attention else 0):
            yield from _attention(
                layout, f"{block}.attentions.{number}", width, layout.depth[index]
            )
        for number in range(layout.layers):
            into = before if number == 0 else width
            yield from _resnet(layout, f"{block}.resnets.{number}", into, width)
        if index < last:
            yield "convolution", f"{block}.downsamplers.0.conv", (width, width, 3, 3)
    yield from _attention(layout, "mid_block.attentions.0", channels[last], layout.depth[last])
    for number in range(2):
        yield from _resnet(layout, f"mid_block.resnets.{number}", channels[last], channels[last])
    yield from _up_blocks(layout)
    first, (latent_in, latent_out) = channels[0], layout.latent
    yield "other", "conv_in", (first, latent_in, 3, 3)
    yield "other", "time_embedding.linear_1", (4 * first, first)
    yield "other", "time_embedding.linear_2", (4 * first, 4 * first)
    if layout.pooled:
        yield "other", "add_embedding.linear_1", (4 * first, layout.pooled)
        yield "other", "add_embedding.linear_2", (4 * first, 4 * first)
    yield "other", "conv_norm_out", (first,)
    yield "other", "conv_out", (latent_out, first, 3, 3)


def _up_blocks(layout: UNetLayout) -> Iterator[Layer]:
    """Yield the up blocks, whose resnets also read what the down blocks kept."""
    widths = layout.channels[::-1]
    last = len(widths) - 1
    for index, attention in enumerate(layout.up_attention):
        block, width, count = f"up_blocks.{index}", widths[index], layout.layers + 1
        for number in range(count if attention else 0):
            yield from _attention(
                layout, f"{block}.attentions.{number}", width, layout.depth[last - index]
            )
        for number in range(count):
            below = widths[max(0, index - 1)] if number == 0 else width
            kept = widths[min(index + 1, last)] if number == count - 1 else width
            yield from _resnet(layout, f"{block}.resnets.{number}", below + kept, width)
        if index < last:
            yield "convolution", f"{block}.upsamplers.0.conv", (width, width, 3, 3)


def _attention(layout: UNetLayout, place: str, width: int, depth: int) -> Iterator[Layer]:
    projection = (width, width) if layout.linear else (width, width, 1, 1)
    yield "attention", f"{place}.proj_in", projection
    for level in range(depth):
        inner = f"{place}.transformer_blocks.{level}"
        for name, read in (("attn1", width), ("attn2", layout.context)):
            yield "attention", f"{inner}.{name}.to_q", (width, width)
            yield "attention", f"{inner}.{name}.to_k", (width, read)
            yield "attention", f"{inner}.{name}.to_v", (width, read)
            yield "attention", f"{inner}.{name}.to_out.0", (width, width)
        yield "attention", f"{inner}.ff.net.0.proj", (8 * width, width)
        yield "attention", f"{inner}.ff.net.2", (width, 4 * width)
        yield from (("other", f"{inner}.norm{number}", (width,)) for number in (1, 2, 3))
    yield "attention", f"{place}.proj_out", projection
    yield "other", f"{place}.norm", (width,)


def _resnet(layout: UNetLayout, place: str, into: int, width: int) -> Iterator[Layer]:
    yield "convolution", f"{place}.conv1", (width, into, 3, 3)
    yield "convolution", f"{place}.time_emb_proj", (width, 4 * layout.channels[0])
    yield "convolution", f"{place}.conv2", (width, width, 3, 3)
    if into != width:
        yield "convolution", f"{place}.conv_shortcut", (width, into, 1, 1)
    yield "other", f"{place}.norm1", (into,)
    yield "other", f"{place}.norm2", (width,)
