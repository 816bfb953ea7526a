"""Components of diffusers and transformers under the names of single files: the way back."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from train.checkpoints.names import (
    THIRDS,
    Copy,
    clip_copies,
    open_clip_copies,
    unet_copies,
    vae_copies,
)
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, UNET, VAE
from train.lora.layout import TextLayout, UNetLayout
from train.settings.model import FamilyName

_TEXT_MODEL = "text_model."


def original_tensors(state: Mapping[str, Tensor], copies: Iterable[Copy]) -> dict[str, Tensor]:
    """Return the weights of a component as a single file holds them.

    Args:
        state: Its ``state_dict``.
        copies: Where each weight comes from, by full names in the file.

    Raises:
        KeyError: The component lacks a weight.
    """
    found: dict[str, Tensor] = {}
    thirds: dict[str, dict[str, Tensor]] = {}
    for copy in copies:
        target = copy.target if copy.target in state else f"{_TEXT_MODEL}{copy.target}"
        tensor = state[target]
        if copy.change in THIRDS:
            thirds.setdefault(copy.source, {})[copy.change] = tensor
        elif copy.change == "transposed":
            found[copy.source] = tensor.T.contiguous()
        elif copy.change == "matrix":
            found[copy.source] = tensor[:, :, None, None].contiguous()
        else:
            found[copy.source] = tensor
    joined = {n: torch.cat([parts[third] for third in THIRDS]) for n, parts in thirds.items()}
    return found | joined


def usual_copies(
    family: FamilyName, component: str, config: Mapping[str, Any], names: Collection[str]
) -> list[Copy]:
    """Return where single files of a family usually keep each weight of a component.

    Args:
        family: sd15 or sdxl.
        component: unet, vae, text_encoder or text_encoder_2.
        config: Of the component.
        names: Of its weights.
    """
    if component == "unet":
        prefix, copies = UNET, unet_copies(UNetLayout.from_config(config))
    elif component == "vae":
        levels, layers = len(config["block_out_channels"]), config["layers_per_block"]
        prefix, copies = VAE, vae_copies(levels, layers, lambda _: True)
    elif component == "text_encoder":
        prefix = SD15_TEXT if family == "sd15" else SDXL_TEXT[0]
        copies = clip_copies(TextLayout.from_config(config))
    else:
        prefix, copies = SDXL_TEXT[1], open_clip_copies(TextLayout.from_config(config))
    shortcuts = ".conv_shortcut."  # resnets that keep the number of channels have none
    return [
        replace(copy, source=prefix + copy.source)
        for copy in copies
        if shortcuts not in copy.target or copy.target in names
    ]
