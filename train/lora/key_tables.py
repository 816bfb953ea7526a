"""The modules of a base model under the names that LoRA files give them; a table for each family.

A table is made from the layout of a model, so that it holds for models of any size.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from train.lora.keys import FIRST_TEXT_PREFIX, SECOND_TEXT_PREFIX, TEXT_PREFIX, UNET_PREFIX
from train.lora.layout import (
    CLIP_BIG_G,
    CLIP_L,
    SD15_LAYOUT,
    SDXL_LAYOUT,
    Kind,
    Shape,
    Shapes,
    TextLayout,
    UNetLayout,
    text_layers,
    unet_layers,
)
from train.lora.sgm import sgm_paths


@dataclass(frozen=True)
class Module:
    """A module that a LoRA file can change.

    Attributes:
        part: The component it belongs to: unet, text_encoder or text_encoder_2.
        path: Its path inside the component, in diffusers' and transformers' names.
        shape: Of its weight.
        kind: What it is; norms and a few others are read from files and never trained here.
    """

    part: str
    path: str
    shape: Shape
    kind: Kind


KeyTable = Mapping[str, Module]
"""Modules by their name in a LoRA file, in the model's order."""


def sd15_table(unet: UNetLayout, text: TextLayout) -> KeyTable:
    """Return the table of an SD 1.5 model: diffusers' names, one text encoder."""
    names = {path: path for _, path, _ in unet_layers(unet)}
    return _unet_table(unet, names) | _text_table(text, "text_encoder", TEXT_PREFIX)


def sdxl_table(unet: UNetLayout, first: TextLayout, second: TextLayout) -> KeyTable:
    """Return the table of an SDXL model: the UNet in its original names, two text encoders."""
    return (
        _unet_table(unet, sgm_paths(unet))
        | _text_table(first, "text_encoder", FIRST_TEXT_PREFIX)
        | _text_table(second, "text_encoder_2", SECOND_TEXT_PREFIX)
    )


@cache
def sd15_full_size() -> KeyTable:
    """Return the table of Stable Diffusion 1.5."""
    return sd15_table(SD15_LAYOUT, CLIP_L)


@cache
def sdxl_full_size() -> KeyTable:
    """Return the table of SDXL."""
    return sdxl_table(SDXL_LAYOUT, CLIP_L, CLIP_BIG_G)


FULL_SIZE = {"sd15": sd15_full_size, "sdxl": sdxl_full_size}
"""The tables of the families at full size."""


def shapes_of(table: KeyTable) -> Shapes:
    """Return the shape of each module's weight, by its name in a LoRA file."""
    return {name: module.shape for name, module in table.items()}


def _unet_table(layout: UNetLayout, names: Mapping[str, str]) -> dict[str, Module]:
    return {
        UNET_PREFIX + names[path].replace(".", "_"): Module("unet", path, shape, kind)
        for kind, path, shape in unet_layers(layout)
    }


def _text_table(layout: TextLayout, part: str, prefix: str) -> dict[str, Module]:
    return {
        prefix + path.replace(".", "_"): Module(part, path, shape, kind)
        for kind, path, shape in text_layers(layout)
    }
