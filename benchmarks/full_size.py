"""Stable Diffusion 1.5 in its real size with random weights: the arithmetic without a download."""

import shutil
from pathlib import Path
from typing import Any

import torch

from prep import demo_world


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
