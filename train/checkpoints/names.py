"""From the names in a single file to those of diffusers and transformers, part by part.

The names are those of CompVis' and Stability's code, which all single files of SD 1.5 and SDXL
use. A component of diffusers is filled from a list of ``Copy`` steps, each of which names a tensor
of the file; the steps are made from the component's layout, so a file that lacks one is incomplete.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from train.lora.layout import TextLayout, UNetLayout, text_layers, unet_layers
from train.lora.sgm import sgm_paths

Change = Literal["", "transposed", "matrix", "first", "second", "third"]
"""What happens to a tensor: nothing, a matrix transposed, a 1x1 convolution made a matrix, or a
third of its rows taken."""
THIRDS: tuple[Change, ...] = ("first", "second", "third")
"""The changes that take a third, in the order of the rows."""

_NO_BIAS = (".to_q", ".to_k", ".to_v")


@dataclass(frozen=True)
class Copy:
    """Where a weight comes from.

    Attributes:
        target: Name in the component.
        source: Name in the file, without the part's prefix.
        change: What happens on the way.
    """

    target: str
    source: str
    change: Change = ""


def unet_copies(layout: UNetLayout) -> Iterator[Copy]:
    """Yield the weights of a ``UNet2DConditionModel``."""
    paths = sgm_paths(layout)
    for _, path, _ in unet_layers(layout):
        leaves = ("weight",) if path.endswith(_NO_BIAS) else ("weight", "bias")
        yield from (Copy(f"{path}.{leaf}", f"{paths[path]}.{leaf}") for leaf in leaves)


def clip_copies(layout: TextLayout, inner: str = "text_model.") -> Iterator[Copy]:
    """Yield the weights of a ``CLIPTextModel``, from a file that has transformers' names.

    Args:
        layout: Of the text model.
        inner: What the names begin with; early files of SD 1.5 lack it.
    """
    names = ["embeddings.token_embedding.weight", "embeddings.position_embedding.weight"]
    names += [f"{path}.{leaf}" for _, path, _ in text_layers(layout) for leaf in ("weight", "bias")]
    yield from (Copy(name, f"{inner}{name}") for name in names)


_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_PROJECTIONS: Mapping[str, Change] = {"q": "first", "k": "second", "v": "third"}


def open_clip_copies(layout: TextLayout) -> Iterator[Copy]:
    """Yield the weights of a ``CLIPTextModelWithProjection``, from a file with OpenCLIP's names.

    OpenCLIP keeps the three projections of an attention in one matrix, and multiplies by the
    pooled projection from the other side.
    """
    yield Copy("embeddings.token_embedding.weight", "token_embedding.weight")
    yield Copy("embeddings.position_embedding.weight", "positional_embedding")
    for index in range(layout.layers):
        target, source = f"encoder.layers.{index}", f"transformer.resblocks.{index}"
        for leaf in ("weight", "bias"):
            for ours, theirs in _OPEN_CLIP.items():
                yield Copy(f"{target}.{ours}.{leaf}", f"{source}.{theirs}.{leaf}")
            for part, third in _PROJECTIONS.items():
                joined = f"{source}.attn.in_proj_{leaf}"
                yield Copy(f"{target}.self_attn.{part}_proj.{leaf}", joined, third)
    yield from (Copy(f"final_layer_norm.{leaf}", f"ln_final.{leaf}") for leaf in ("weight", "bias"))
    yield Copy("text_projection.weight", "text_projection", "transposed")


_VAE_ATTENTION = {
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}


def vae_copies(levels: int, layers: int, has_shortcut: Callable[[str], bool]) -> Iterator[Copy]:
    """Yield the weights of an ``AutoencoderKL``.

    Args:
        levels: Resolutions.
        layers: Resnets of a level on the way down; one more on the way up.
        has_shortcut: Tells whether a resnet, in the file's names, changes the number of channels.
    """
    yield from _both("quant_conv", "quant_conv")
    yield from _both("post_quant_conv", "post_quant_conv")
    for side, extra in (("encoder", 0), ("decoder", 1)):
        way = "down" if side == "encoder" else "up"
        for place in ("conv_in", "conv_out"):
            yield from _both(f"{side}.{place}", f"{side}.{place}")
        yield from _both(f"{side}.conv_norm_out", f"{side}.norm_out")
        for level in range(levels):
            theirs = level if side == "encoder" else levels - 1 - level
            block, source = f"{side}.{way}_blocks.{level}", f"{side}.{way}.{theirs}"
            for number in range(layers + extra):
                resnet = f"{source}.block.{number}"
                yield from _vae_resnet(
                    f"{block}.resnets.{number}", resnet, shortcut=has_shortcut(resnet)
                )
            if level < levels - 1:
                yield from _both(f"{block}.{way}samplers.0.conv", f"{source}.{way}sample.conv")
        for number in (1, 2):
            resnet = f"{side}.mid.block_{number}"
            yield from _vae_resnet(f"{side}.mid_block.resnets.{number - 1}", resnet, shortcut=False)
        for ours, theirs_ in _VAE_ATTENTION.items():
            target, source = f"{side}.mid_block.attentions.0.{ours}", f"{side}.mid.attn_1.{theirs_}"
            yield Copy(
                f"{target}.weight", f"{source}.weight", "" if ours == "group_norm" else "matrix"
            )
            yield Copy(f"{target}.bias", f"{source}.bias")


def _vae_resnet(target: str, source: str, *, shortcut: bool) -> Iterator[Copy]:
    for name in ("norm1", "conv1", "norm2", "conv2"):
        yield from _both(f"{target}.{name}", f"{source}.{name}")
    if shortcut:
        yield from _both(f"{target}.conv_shortcut", f"{source}.nin_shortcut")


def _both(target: str, source: str) -> Iterator[Copy]:
    yield from (Copy(f"{target}.{leaf}", f"{source}.{leaf}") for leaf in ("weight", "bias"))
