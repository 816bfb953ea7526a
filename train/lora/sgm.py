"""The names that CompVis' and Stability's code gives to the modules of a UNet.

Checkpoint files use them for SD 1.5 and SDXL, and LoRA files for SDXL. diffusers counts blocks and
the layers inside them; the original code counts every layer of the way down, and of the way up.
"""

from collections.abc import Iterator

from train.lora.layout import UNetLayout, unet_shapes

_OUTSIDE = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def sgm_paths(layout: UNetLayout) -> dict[str, str]:
    """Return the original path of each module of a UNet by its path in diffusers.

    Example:
        >>> from train.lora.layout import SDXL_LAYOUT
        >>> sgm_paths(SDXL_LAYOUT)["down_blocks.1.attentions.0.proj_in"]
        'input_blocks.4.1.proj_in'
    """
    places = dict(_places(layout))
    return {path: _sgm_path(path, places) for path in unet_shapes(layout)}


def _sgm_path(path: str, places: dict[str, str]) -> str:
    if path in _OUTSIDE:
        return _OUTSIDE[path]
    parts = path.split(".")
    layer = 3 if parts[0] == "mid_block" else 4
    place, inner = ".".join(parts[:layer]), ".".join(parts[layer:])
    if "resnets" in parts:
        inner = _RESNET[inner]
    elif "downsamplers" in parts:
        inner = "op"
    return f"{places[place]}.{inner}"


def _places(layout: UNetLayout) -> Iterator[tuple[str, str]]:
    """Yield each layer (resnet, attention, sampler) of diffusers with its original place."""
    per_block, last = layout.layers + 1, len(layout.channels) - 1
    for index in range(last + 1):
        for number in range(layout.layers):
            place = f"input_blocks.{1 + index * per_block + number}"
            yield f"down_blocks.{index}.resnets.{number}", f"{place}.0"
            yield f"down_blocks.{index}.attentions.{number}", f"{place}.1"
        yield f"down_blocks.{index}.downsamplers.0", f"input_blocks.{(index + 1) * per_block}.0"
    for number, name in enumerate(("resnets.0", "attentions.0", "resnets.1")):
        yield f"mid_block.{name}", f"middle_block.{number}"
    for index, attention in enumerate(layout.up_attention):
        for number in range(per_block):
            place = f"output_blocks.{index * per_block + number}"
            yield f"up_blocks.{index}.resnets.{number}", f"{place}.0"
            yield f"up_blocks.{index}.attentions.{number}", f"{place}.1"
        yield f"up_blocks.{index}.upsamplers.0", f"{place}.{2 if attention else 1}"
