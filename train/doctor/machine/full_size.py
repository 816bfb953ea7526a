"""The configurations of SD 1.5 and SDXL at their full size: what there is to train, without files.

Sources: the config.json files of runwayml/stable-diffusion-v1-5 and
stabilityai/stable-diffusion-xl-base-1.0, where they differ from diffusers' and transformers'
defaults.
"""

from pathlib import Path
from typing import Any

from train.checkpoints.sources import FolderSource
from train.families.base_model import BaseModel
from train.settings.model import FamilyName

_SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "epsilon",
}
_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


def _text(width: int, layers: int, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": 49408,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": width // 64,
        "max_position_embeddings": 77,
        "bos_token_id": 49406,
        "eos_token_id": 49407,
        "pad_token_id": 49407,
        **more,
    }


_CONFIGS: dict[FamilyName, dict[str, dict[str, Any]]] = {
    "sd15": {
        "unet": {
            "block_out_channels": [320, 640, 1280, 1280],
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "layers_per_block": 2,
            "cross_attention_dim": 768,
            "attention_head_dim": 8,
            "in_channels": 4,
            "out_channels": 4,
            "sample_size": 64,
        },
        "vae": {**_VAE, "scaling_factor": 0.18215},
        "text_encoder": _text(768, 12, hidden_act="quick_gelu"),
        "scheduler": _SCHEDULER,
    },
    "sdxl": {
        "unet": {
            "block_out_channels": [320, 640, 1280],
            "down_block_types": ["DownBlock2D"] + ["CrossAttnDownBlock2D"] * 2,
            "up_block_types": ["CrossAttnUpBlock2D"] * 2 + ["UpBlock2D"],
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, 2, 10],
            "cross_attention_dim": 2048,
            "attention_head_dim": [5, 10, 20],
            "use_linear_projection": True,
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": 2816,
            "in_channels": 4,
            "out_channels": 4,
            "sample_size": 128,
        },
        "vae": {**_VAE, "scaling_factor": 0.13025},
        "text_encoder": _text(768, 12, hidden_act="quick_gelu"),
        "text_encoder_2": _text(1280, 32, hidden_act="gelu", projection_dim=1280),
        "scheduler": _SCHEDULER,
    },
}


def full_size(family: FamilyName) -> BaseModel:
    """Return a base model of full size that is on no disk, to measure with ``empty_family``."""
    return BaseModel(FolderSource(Path(family)), family, _CONFIGS[family])
