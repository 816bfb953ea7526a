"""A tiny random Stable Diffusion in the diffusers layout, and small datasets to train it on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from train.config import RunConfig

MODEL_INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.36.0",
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "safety_checker": [None, None],
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
}


SDXL_INDEX = {
    **MODEL_INDEX,
    "_class_name": "StableDiffusionXLPipeline",
    "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    "tokenizer_2": ["transformers", "CLIPTokenizer"],
    "force_zeros_for_empty_prompt": False,
}


def make_base(folder: Path, prediction: str = "epsilon", *, zero_snr: bool = False) -> Path:
    """Write a random model in the manner of SD 1.5: 64 px pictures, factor 8.

    Its UNet has one level with attention and one without, each way, of the four of SD 1.5: a step
    takes half the time, and all kinds of layers are there.
    """
    from transformers.models.clip.modeling_clip import CLIPTextModel

    torch.manual_seed(0)
    unet(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        attention_head_dim=4,
    ).save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    tokens = make_tokenizer(folder / "tokenizer")
    CLIPTextModel(text_config(tokens, 16)).save_pretrained(folder / "text_encoder")
    write_scheduler(folder, prediction, zero_snr=zero_snr)
    (folder / "model_index.json").write_text(json.dumps(MODEL_INDEX))
    return folder


def make_sdxl_base(folder: Path, prediction: str = "epsilon", *, zero_snr: bool = False) -> Path:
    """Write a random model with the block layout of SDXL: 64 px pictures, factor 8."""
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(0)
    unet(
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=[1, 1, 2],
        attention_head_dim=[1, 2, 2],
        cross_attention_dim=16 + 24,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=20 + 6 * 4,
    ).save_pretrained(folder / "unet")
    vae().save_pretrained(folder / "vae")
    tokens = make_tokenizer(folder / "tokenizer")
    make_tokenizer(folder / "tokenizer_2", pad="!")
    CLIPTextModel(text_config(tokens, 16)).save_pretrained(folder / "text_encoder")
    config = text_config(tokens, 24, projection_dim=20, hidden_act="gelu")
    CLIPTextModelWithProjection(config).save_pretrained(folder / "text_encoder_2")
    write_scheduler(folder, prediction, zero_snr=zero_snr)
    (folder / "model_index.json").write_text(json.dumps(SDXL_INDEX))
    return folder


def unet(**config: Any) -> Any:
    """Return a random UNet for latents of 8 x 8, with half of the layers that real ones have."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    values: dict[str, Any] = {
        "block_out_channels": (8, 16, 16, 16),
        "layers_per_block": 1,
        "norm_num_groups": 4,
    }
    return UNet2DConditionModel(sample_size=8, **values | config)


def vae() -> Any:
    """Return a random VAE for pictures of 64 x 64."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
        sample_size=64,
        scaling_factor=0.5,
    )


def text_config(tokens: int, width: int, **config: Any) -> Any:
    """Return the configuration of a text encoder of two layers."""
    from transformers.models.clip.configuration_clip import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=77,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=tokens - 1,
        **config,
    )


def write_scheduler(folder: Path, prediction: str, *, zero_snr: bool) -> None:
    """Write the configuration of the noise schedule."""
    (folder / "scheduler").mkdir()
    scheduler = scheduler_config(prediction, zero_snr=zero_snr)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))


def scheduler_config(prediction: str, *, zero_snr: bool) -> dict[str, object]:
    return {
        "_class_name": "DDIMScheduler",
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "clip_sample": False,
        "set_alpha_to_one": not zero_snr,
        "prediction_type": prediction,
        "rescale_betas_zero_snr": zero_snr,
        "timestep_spacing": "trailing" if zero_snr else "leading",
        "steps_offset": 1,
    }


def make_tokenizer(folder: Path, pad: str = "<|endoftext|>") -> int:
    """Write a CLIP tokenizer that knows single characters; return the size of its vocabulary."""
    letters = [chr(code) for code in range(33, 127)]
    words = [*letters, *(f"{letter}</w>" for letter in letters)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": pad,
        "unk_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return len(words)


def make_images(folder: Path, count: int, size: tuple[int, int] = (64, 64)) -> None:
    """Write small pictures with captions."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    for index in range(count):
        coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize(size, Image.Resampling.NEAREST)
        image.save(folder / f"{index:02}.png")
        (folder / f"{index:02}.txt").write_text(f"mochi, cat, hat {index}, red\n")


def dataset_text(folder: str = "images", **extra: Any) -> str:
    """Return a dataset file for 64 px buckets."""
    subset = {
        "image_dir": folder,
        "num_repeats": 2,
        "caption_extension": ".txt",
        "shuffle_caption": True,
        "keep_tokens": 1,
        **extra,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in subset.items()]
    return (
        "[[datasets]]\nresolution = 64\nenable_bucket = true\nmin_bucket_reso = 32\n"
        "max_bucket_reso = 128\nbucket_reso_steps = 16\n\n[[datasets.subsets]]\n"
        + "\n".join(lines)
        + "\n"
    )


MakeRun = Callable[..., RunConfig]
"""Makes a run; keywords are training settings."""
