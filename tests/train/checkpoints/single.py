"""Single files in Stability's names, made of models of diffusers; small, but with CLIP's tokens."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.train.tiny import make_tokenizer, text_config, write_scheduler
from train.checkpoints.names import (
    Copy,
    clip_copies,
    open_clip_copies,
    unet_copies,
    vae_copies,
)
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, UNET, VAE
from train.checkpoints.writing import original_tensors
from train.lora.layout import TextLayout, UNetLayout

TOKENS = 49408
SDXL_BLOCKS: dict[str, Any] = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [1, 1, 2],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
}


def parts(family: str, vae_channels: tuple[int, ...] = (32, 64)) -> dict[str, Any]:
    """Return random components whose numbers of heads and groups are those of the real ones."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(1)
    vae = AutoencoderKL(
        block_out_channels=vae_channels,
        down_block_types=("DownEncoderBlock2D",) * len(vae_channels),
        up_block_types=("UpDecoderBlock2D",) * len(vae_channels),
        layers_per_block=2,
        scaling_factor=0.18215 if family == "sd15" else 0.13025,
    )
    text = CLIPTextModel(_one_head(64))
    if family == "sd15":
        unet = UNet2DConditionModel(
            block_out_channels=(32, 64, 64, 64), cross_attention_dim=64, attention_head_dim=8
        )
        return {"unet": unet, "vae": vae, "text_encoder": text}
    pooled: Any = {"projection_class_embeddings_input_dim": 48 + 6 * 256}
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64, 128), cross_attention_dim=64 + 128, **SDXL_BLOCKS, **pooled
    )
    second = CLIPTextModelWithProjection(_one_head(128, projection_dim=48, hidden_act="gelu"))
    return {"unet": unet, "vae": vae, "text_encoder": text, "text_encoder_2": second}


def _one_head(width: int, **config: Any) -> Any:
    """Return a configuration whose heads are 64 wide, as all of CLIP's are."""
    settings = text_config(TOKENS, width, **config)
    settings.num_attention_heads = width // 64
    return settings


def write_single_file(
    path: Path, components: dict[str, Any], metadata: dict[str, str] | None = None, **extra: Tensor
) -> Path:
    """Write components into one file with the names of the original code."""
    save_file(tensors_of(components) | extra, path, metadata)
    return path


def write_folder(
    folder: Path, components: dict[str, Any], prediction: str = "epsilon", *, zero_snr: bool = False
) -> Path:
    """Write components in the diffusers layout, with tokenizers of single characters."""
    components["unet"].register_to_config(sample_size=8)
    for name, module in components.items():
        module.save_pretrained(folder / name)
        if name.startswith("text_encoder"):
            make_tokenizer(folder / name.replace("text_encoder", "tokenizer"))
    write_scheduler(folder, prediction, zero_snr=zero_snr)
    return folder


def tensors_of(components: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a single file."""
    unet, vae, text = (components[name] for name in ("unet", "vae", "text_encoder"))
    second = components.get("text_encoder_2")
    levels, layers = len(vae.config.block_out_channels), vae.config.layers_per_block
    layout = TextLayout.from_config(text.config.to_dict())
    prefix = SD15_TEXT if second is None else SDXL_TEXT[0]
    found = _original(unet, UNET, unet_copies(UNetLayout.from_config(unet.config)))
    found |= _original(text, prefix, clip_copies(layout))
    found |= _original(vae, VAE, vae_copies(levels, layers, _changes_channels(vae)))
    if second is not None:
        layout = TextLayout.from_config(second.config.to_dict())
        found |= _original(second, SDXL_TEXT[1], open_clip_copies(layout))
    return found


def _changes_channels(vae: Any) -> Callable[[str], bool]:
    channels = vae.config.block_out_channels

    def changes(resnet: str) -> bool:
        side, _, level, _, number = resnet.split(".")
        before = int(level) + (-1 if side == "encoder" else 1)
        inside = number == "0" and 0 <= before < len(channels)
        return inside and channels[before] != channels[int(level)]

    return changes


def _original(module: nn.Module, prefix: str, copies: Iterable[Copy]) -> dict[str, Tensor]:
    known = list(copies)
    state = {name: t for name, t in module.state_dict().items() if "position_ids" not in name}
    targets = {copy.target for copy in known}
    assert {name.removeprefix("text_model.") for name in state} == targets, "the maps miss some"
    placed = [replace(copy, source=prefix + copy.source) for copy in known]
    return original_tensors(state, placed)
