"""The modules of a base model: their paths and the shapes of their weights, from its configuration.

Nothing is read off live modules, since libraries rename theirs (transformers 5 dropped
``text_model.``) and LoRA files must not change with them. Paths are those of diffusers'
``UNet2DConditionModel`` and of transformers' ``CLIPTextModel`` without ``text_model.``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prep.errors import UserError

Shape = tuple[int, ...]
Shapes = dict[str, Shape]
"""Shape of each module's weight: linear (out, in), convolution (out, in, k, k), norm (n,)."""


@dataclass(frozen=True)
class UNetLayout:
    """A ``UNet2DConditionModel``, as described by its ``config.json``.

    Attributes:
        down_attention: For each down block: has it attention?
        up_attention: For each up block.
        channels: Channels of each down block.
        layers: Resnets of a down block; an up block has one more.
        depth: Transformer blocks of one attention.
        context: Width of the text states.
        latent: Channels of the input and of the output.
        linear: The projections around attention are linear layers, not 1x1 convolutions.
    """

    down_attention: tuple[bool, ...]
    up_attention: tuple[bool, ...]
    channels: tuple[int, ...]
    layers: int = 2
    depth: int = 1
    context: int = 768
    latent: tuple[int, int] = (4, 4)
    linear: bool = False

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
        context = config.get("cross_attention_dim", 1280)
        if set(down + up) - known or not all(isinstance(n, int) for n in (layers, depth, context)):
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
            context,
            (int(config.get("in_channels", 4)), int(config.get("out_channels", 4))),
            bool(config.get("use_linear_projection", False)),
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
SD15_TEXT = TextLayout(12, 768, 3072)
"""Stable Diffusion 1.5 at full size."""


def unet_modules(layout: UNetLayout, *, conv: bool = False) -> list[str]:
    """Return the paths of the modules that are trained, in the model's order.

    Args:
        layout: The blocks.
        conv: With the convolution blocks (LoCon): 278 modules for SD 1.5 instead of 192.
    """
    parts = ("attention", "convolution") if conv else ("attention",)
    return [path for part, path, _ in _unet(layout) if part in parts]


def text_modules(layout: TextLayout) -> list[str]:
    """Return the paths inside a CLIP text model that are trained."""
    return [path for path, shape in text_shapes(layout).items() if len(shape) > 1]


def unet_shapes(layout: UNetLayout) -> Shapes:
    """Return all modules that a LoRA file can change, with the shapes of their weights."""
    return {path: shape for _, path, shape in _unet(layout)}


def text_shapes(layout: TextLayout) -> Shapes:
    """As ``unet_shapes``, for a text encoder; embeddings are not changed by LoRA files."""
    width, inner = layout.width, layout.inner
    found: Shapes = {}
    for index in range(layout.layers):
        place = f"encoder.layers.{index}"
        found |= {f"{place}.self_attn.{n}_proj": (width, width) for n in ("q", "k", "v", "out")}
        found |= {f"{place}.mlp.fc1": (inner, width), f"{place}.mlp.fc2": (width, inner)}
        found |= {f"{place}.layer_norm{n}": (width,) for n in (1, 2)}
    return {**found, "final_layer_norm": (width,)}


_Module = tuple[str, str, Shape]
"""Part, path, and shape of the weight. Parts: attention, convolution, other."""


def _unet(layout: UNetLayout) -> Iterator[_Module]:
    """Yield every module; those that are trained in the order in which they are trained."""
    channels = layout.channels
    last = len(channels) - 1
    for index, attention in enumerate(layout.down_attention):
        block, width = f"down_blocks.{index}", channels[index]
        before = channels[max(0, index - 1)]
        for number in range(layout.layers if attention else 0):
            yield from _attention(layout, f"{block}.attentions.{number}", width)
        for number in range(layout.layers):
            into = before if number == 0 else width
            yield from _resnet(layout, f"{block}.resnets.{number}", into, width)
        if index < last:
            yield "convolution", f"{block}.downsamplers.0.conv", (width, width, 3, 3)
    yield from _attention(layout, "mid_block.attentions.0", channels[last])
    for number in range(2):
        yield from _resnet(layout, f"mid_block.resnets.{number}", channels[last], channels[last])
    yield from _up_blocks(layout)
    first, (latent_in, latent_out) = channels[0], layout.latent
    yield "other", "conv_in", (first, latent_in, 3, 3)
    yield "other", "time_embedding.linear_1", (4 * first, first)
    yield "other", "time_embedding.linear_2", (4 * first, 4 * first)
    yield "other", "conv_norm_out", (first,)
    yield "other", "conv_out", (latent_out, first, 3, 3)


def _up_blocks(layout: UNetLayout) -> Iterator[_Module]:
    """Yield the up blocks, whose resnets also read what the down blocks kept."""
    widths = layout.channels[::-1]
    last = len(widths) - 1
    for index, attention in enumerate(layout.up_attention):
        block, width, count = f"up_blocks.{index}", widths[index], layout.layers + 1
        for number in range(count if attention else 0):
            yield from _attention(layout, f"{block}.attentions.{number}", width)
        for number in range(count):
            below = widths[max(0, index - 1)] if number == 0 else width
            kept = widths[min(index + 1, last)] if number == count - 1 else width
            yield from _resnet(layout, f"{block}.resnets.{number}", below + kept, width)
        if index < last:
            yield "convolution", f"{block}.upsamplers.0.conv", (width, width, 3, 3)


def _attention(layout: UNetLayout, place: str, width: int) -> Iterator[_Module]:
    projection = (width, width) if layout.linear else (width, width, 1, 1)
    yield "attention", f"{place}.proj_in", projection
    for level in range(layout.depth):
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


def _resnet(layout: UNetLayout, place: str, into: int, width: int) -> Iterator[_Module]:
    yield "convolution", f"{place}.conv1", (width, into, 3, 3)
    yield "convolution", f"{place}.time_emb_proj", (width, 4 * layout.channels[0])
    yield "convolution", f"{place}.conv2", (width, width, 3, 3)
    if into != width:
        yield "convolution", f"{place}.conv_shortcut", (width, into, 1, 1)
    yield "other", f"{place}.norm1", (into,)
    yield "other", f"{place}.norm2", (width,)
