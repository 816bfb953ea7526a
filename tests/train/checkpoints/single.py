"""Single files in Stability's names, made of models of diffusers; small, but with CLIP's tokens."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.train.tiny import text_config
from train.checkpoints.names import (
    Copy,
    clip_copies,
    open_clip_copies,
    unet_copies,
    vae_copies,
)
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, UNET, VAE
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


def parts(family: str) -> dict[str, Any]:
    """Return random components whose numbers of heads and groups are those of the real ones."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(1)
    vae = AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=2,
        scaling_factor=0.18215 if family == "sd15" else 0.13025,
    )
    text = CLIPTextModel(text_config(TOKENS, 64) if family == "sd15" else _one_head(64))
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


def tensors_of(components: dict[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a single file."""
    second = components.get("text_encoder_2")
    found = _original(
        components["unet"], UNET, unet_copies(UNetLayout.from_config(components["unet"].config))
    )
    text = components["text_encoder"]
    prefix = SDXL_TEXT[0] if second is not None else SD15_TEXT
    found |= _original(text, prefix, clip_copies(TextLayout.from_config(text.config.to_dict())))
    if second is not None:
        layout = TextLayout.from_config(second.config.to_dict())
        found |= _original(second, SDXL_TEXT[1], open_clip_copies(layout))
    vae = components["vae"]
    has = _changes_channels(vae)
    copies = vae_copies(len(vae.config.block_out_channels), vae.config.layers_per_block, has)
    return found | _original(vae, VAE, copies)


def _changes_channels(vae: Any) -> Any:
    channels = vae.config.block_out_channels

    def has(resnet: str) -> bool:
        side, _, level, _, number = resnet.split(".")
        place = int(level)
        if number != "0":
            return False
        before = place - 1 if side == "encoder" else place + 1
        return 0 <= before < len(channels) and channels[before] != channels[place]

    return has


def _original(module: nn.Module, prefix: str, copies: Iterable[Copy]) -> dict[str, Tensor]:
    state = module.state_dict()
    found: dict[str, Tensor] = {}
    thirds: dict[str, dict[str, Tensor]] = {}
    for copy in copies:
        target = copy.target if copy.target in state else f"text_model.{copy.target}"
        tensor, name = state.pop(target), prefix + copy.source
        if copy.change == "transposed":
            tensor = tensor.T.contiguous()
        elif copy.change == "matrix":
            tensor = tensor[:, :, None, None].contiguous()
        elif copy.change:
            thirds.setdefault(name, {})[copy.change] = tensor
            continue
        found[name] = tensor
    for name, three in thirds.items():
        found[name] = torch.cat([three[part] for part in ("first", "second", "third")])
    assert not [name for name in state if "position_ids" not in name], "the maps miss something"
    return found
