"""Base models in their real size with random weights: the arithmetic without a download."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from prep import demo_world
from train.checkpoints.names import (
    Copy,
    clip_copies,
    open_clip_copies,
    unet_copies,
    vae_copies,
)
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, UNET, VAE
from train.checkpoints.writing import original_tensors
from train.lora.layout import CLIP_BIG_G, CLIP_L, SD15_LAYOUT, SDXL_LAYOUT, TextLayout
from train.settings.model import FamilyName


def make_base(folder: Path, device: torch.device) -> Path:
    """Write a base model in the diffusers layout: 1.1 billion weights in fp16, 2.1 GB.

    Its tokenizer is the demo's, so that captions have about as many tokens as they would have.

    Args:
        folder: Is made.
        device: Where weights are drawn; a GPU does it in a second.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    demo = demo_world.base()
    shutil.copytree(demo / "tokenizer", folder / "tokenizer")
    shutil.copytree(demo / "scheduler", folder / "scheduler")
    shutil.copy(demo / "model_index.json", folder)
    stages: dict[str, Any] = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
    }
    text = CLIPTextConfig(  # The published one's numbers, where they are not the defaults.
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device(device):
        torch.manual_seed(0)
        parts: dict[str, Any] = {
            "unet": UNet2DConditionModel(
                sample_size=64, cross_attention_dim=768, attention_head_dim=8
            ),
            "vae": AutoencoderKL(layers_per_block=2, sample_size=512, **stages),
            "text_encoder": CLIPTextModel(text),
        }
    for name, model in parts.items():
        model.half().save_pretrained(str(folder / name))
    return folder


_STAGES: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
}
_SDXL_UNET: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 2, 10],
    "attention_head_dim": [5, 10, 20],
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}


def make_file(path: Path, family: FamilyName, dtype: torch.dtype = torch.float16) -> Path:
    """Write a single-file checkpoint with random weights: 2.1 GB for SD 1.5, 6.9 GB for SDXL.

    Args:
        path: Ends in .safetensors.
        family: sd15 or sdxl.
        dtype: Of the weights.
    """
    from safetensors.torch import save_file

    rng = torch.Generator().manual_seed(0)
    tensors = {}
    for module, prefix, copies in _components(family):
        placed = [replace(copy, source=prefix + copy.source) for copy in copies]
        for name, tensor in original_tensors(module.state_dict(), placed).items():
            tensors[name] = _random(name, tensor.shape, dtype, rng)
    save_file(tensors, path)
    return path


def _random(name: str, shape: torch.Size, dtype: torch.dtype, rng: torch.Generator) -> torch.Tensor:
    """Return weights that keep activations at about their size: norms of 1, small matrices."""
    if len(shape) < 2:
        return torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=dtype)
    spread = (shape[1:].numel()) ** -0.5
    return torch.empty(shape, dtype=torch.bfloat16).normal_(0, spread, generator=rng).to(dtype)


def _components(family: FamilyName) -> Iterator[tuple[Any, str, Iterable[Copy]]]:
    """Yield modules without memory, each with the beginning of its names and its key map."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with torch.device("meta"):
        vae = AutoencoderKL(**_STAGES)
        if family == "sdxl":
            unet, layout = UNet2DConditionModel(**_SDXL_UNET), SDXL_LAYOUT
        else:
            unet = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8)
            layout = SD15_LAYOUT
    yield unet, UNET, unet_copies(layout)
    yield vae, VAE, vae_copies(4, 2, lambda resnet: resnet in _WIDER)
    first = SDXL_TEXT[0] if family == "sdxl" else SD15_TEXT
    yield _text_model(CLIP_L, projected=False), first, clip_copies(CLIP_L)
    if family == "sdxl":
        yield _text_model(CLIP_BIG_G, projected=True), SDXL_TEXT[1], open_clip_copies(CLIP_BIG_G)


_WIDER = {
    "encoder.down.1.block.0",
    "encoder.down.2.block.0",
    "decoder.up.1.block.0",
    "decoder.up.0.block.0",
}
"""Resnets of the VAE that change the number of channels."""


def _text_model(layout: TextLayout, *, projected: bool) -> Any:
    from transformers.models.clip import modeling_clip
    from transformers.models.clip.configuration_clip import CLIPTextConfig

    config = CLIPTextConfig(
        hidden_size=layout.width,
        intermediate_size=layout.inner,
        num_hidden_layers=layout.layers,
        num_attention_heads=layout.width // 64,
        projection_dim=layout.width,
    )
    name = "CLIPTextModelWithProjection" if projected else "CLIPTextModel"
    with torch.device("meta"):
        return getattr(modeling_clip, name)(config)
