"""Components of diffusers and transformers, filled with the weights of a single file."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from prep.errors import UnreadableError
from train.checkpoints.components import copies_of
from train.checkpoints.names import THIRDS, Change, Copy
from train.checkpoints.single_file import SingleFile

_TEXT_MODEL = "text_model."
"""transformers 5 dropped this level from its text models."""


def build(
    file: SingleFile, component: str, config: Mapping[str, Any], dtype: torch.dtype
) -> nn.Module:
    """Return a component of a single file, on the CPU.

    Args:
        file: A checkpoint, or for the VAE a file of its own.
        component: unet, vae, text_encoder or text_encoder_2.
        config: Of the component.
        dtype: Of its weights.

    Raises:
        UnreadableError: The file cannot be read, or weights have other shapes.
    """
    with torch.device("meta"):  # neither time nor memory for weights that are replaced
        module = empty(component, config)
    _fill(module, file, copies_of(file, component, config), dtype)
    _fill_buffers(module)
    return module


def empty(component: str, config: Mapping[str, Any]) -> nn.Module:
    """Return a component with new weights, on torch's default device and in its default type.

    Args:
        component: unet, vae, text_encoder or text_encoder_2.
        config: Of the component.
    """
    module: nn.Module
    # Named modules, since the packages' top levels import every pipeline there is.
    if component == "unet":
        from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

        module = UNet2DConditionModel.from_config(config)
    elif component == "vae":
        from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

        module = AutoencoderKL.from_config(config)
    else:
        from transformers.models.clip import modeling_clip
        from transformers.models.clip.configuration_clip import CLIPTextConfig

        name = "CLIPTextModelWithProjection" if component == "text_encoder_2" else "CLIPTextModel"
        kind: Any = getattr(modeling_clip, name)
        module = kind(CLIPTextConfig(**config))
    return module


def _fill(module: nn.Module, file: SingleFile, copies: list[Copy], dtype: torch.dtype) -> None:
    """Put the weights of a file into a module that was made without memory."""
    known = set(module.state_dict())
    steps: dict[str, list[Copy]] = {}
    for copy in copies:
        steps.setdefault(copy.source, []).append(copy)
    weights: dict[str, Tensor] = {}
    for name, tensor in file.tensors(steps):
        for copy in steps[name]:
            target = copy.target if copy.target in known else f"{_TEXT_MODEL}{copy.target}"
            weight = component_view(tensor, copy.change)
            if copy.change in ("transposed", *THIRDS):  # a weight of its own, in its own order
                weight = weight.clone(memory_format=torch.contiguous_format)
            weights[target] = weight.to(dtype)
    try:
        module.load_state_dict(weights, strict=True, assign=True)
    except RuntimeError as error:
        last = str(error).splitlines()[-1].strip()
        raise UnreadableError(
            f"{file.path.name} is built otherwise than its family: {last}"
        ) from error


def component_view(tensor: Tensor, change: Change) -> Tensor:
    """Return a view of a file's tensor, contiguous there, that has the shape in the component."""
    if change == "transposed":
        return tensor.T
    if change == "matrix":
        return tensor.reshape(tensor.shape[:2])
    if change:
        return tensor.chunk(3)[THIRDS.index(change)]
    return tensor


def _fill_buffers(module: nn.Module) -> None:
    """Make the buffers that no file holds: the places of tokens."""
    for inner in module.modules():
        for name, buffer in list(inner.named_buffers(recurse=False)):
            if buffer.is_meta and name == "position_ids":
                places = torch.arange(buffer.shape[-1]).expand(buffer.shape)
                inner.register_buffer(name, places, persistent=False)
