"""The configuration of each component of a single file, from the shapes of its tensors.

What shapes cannot tell is the same in all models of a family: the number of heads, the groups of
norms, activations, the noise schedule. It stands here, so that nothing has to be downloaded.
"""

import re
from collections.abc import Mapping
from typing import Any

from prep.errors import UnreadableError
from train.checkpoints.recognition import SD15_TEXT, SDXL_TEXT, UNET, VAE
from train.lora.layout import Shape
from train.settings.model import FamilyName

Shapes = Mapping[str, Shape]
Config = dict[str, Any]

_ATTENTION = {"sd15": (True, True, True, False), "sdxl": (False, True, True)}
"""Which down blocks have attention."""
_LATENT_SCALE = {"sd15": 0.18215, "sdxl": 0.13025}
"""Standard deviation of raw latents, inverted (Rombach et al. 2022, Podell et al. 2023)."""
_HEADS_OF_SD15 = 8
_HEAD_WIDTH = 64
"""Channels of one attention head in SDXL's UNet and in CLIP."""


def configs_of(name: str, family: FamilyName, shapes: Shapes) -> dict[str, Config]:
    """Return the configurations of UNet, text encoders and scheduler, by component.

    Args:
        name: What to call the file in messages.
        family: sd15 or sdxl.
        shapes: Of the file's tensors.

    Raises:
        UnreadableError: Tensors that tell the layout are missing.
    """
    velocity = "v_pred" in shapes
    try:
        found = {
            "unet": _unet(family, _below(shapes, UNET)),
            "scheduler": _scheduler(velocity=velocity, zero=velocity and "ztsnr" in shapes),
        }
        if family == "sd15":
            found["text_encoder"] = _clip(_below(shapes, SD15_TEXT))
        else:
            found["text_encoder"] = _clip(_below(shapes, SDXL_TEXT[0]))
            found["text_encoder_2"] = _open_clip(_below(shapes, SDXL_TEXT[1]))
    except (KeyError, IndexError, ValueError) as error:
        raise UnreadableError(f"{name} is incomplete: it lacks {error}.") from error
    return found


def vae_config(name: str, family: FamilyName, shapes: Shapes) -> Config:
    """Return the configuration of a VAE.

    Args:
        name: What to call the file in messages.
        family: sd15 or sdxl: the scale of latents.
        shapes: Of the VAE's tensors, without ``first_stage_model.``.

    Raises:
        UnreadableError: Tensors that tell the layout are missing.
    """
    try:
        levels = _count(shapes, r"encoder\.down\.(\d+)\.")
        channels = [shapes[f"encoder.down.{n}.block.0.conv2.weight"][0] for n in range(levels)]
        latent = shapes["decoder.conv_in.weight"][1]
    except (KeyError, IndexError, ValueError) as error:
        raise UnreadableError(f"The VAE of {name} is incomplete: it lacks {error}.") from error
    return {
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": _count(shapes, r"encoder\.down\.0\.block\.(\d+)\."),
        "latent_channels": latent,
        "scaling_factor": _LATENT_SCALE[family],
    }


def vae_shapes(shapes: Shapes) -> dict[str, Shape]:
    """Return the tensors of a VAE, in a checkpoint or a file of its own, by their inner names."""
    inside = _below(shapes, VAE)
    return inside or {k: s for k, s in shapes.items() if k.split(".")[0] in _VAE_PARTS}


_VAE_PARTS = {"encoder", "decoder", "quant_conv", "post_quant_conv"}


def _below(shapes: Shapes, prefix: str) -> dict[str, Shape]:
    return {k.removeprefix(prefix): s for k, s in shapes.items() if k.startswith(prefix)}


def _count(shapes: Shapes, pattern: str) -> int:
    """Return how many numbers, from 0, follow a beginning of names.

    Raises:
        KeyError: None.
    """
    numbers = {int(match[1]) for key in shapes if (match := re.match(pattern, key))}
    if not numbers:
        raise KeyError(pattern.replace("\\", "").replace("(d+)", "0"))
    return max(numbers) + 1


def _unet(family: FamilyName, shapes: Shapes) -> Config:
    attention = _ATTENTION[family]
    first = [1 + 3 * index for index in range(len(attention))]
    channels = [shapes[f"input_blocks.{n}.0.out_layers.3.weight"][0] for n in first]
    blocks = [
        _count(shapes, rf"input_blocks\.{n}\.1\.transformer_blocks\.(\d+)\.") if has else 1
        for n, has in zip(first, attention, strict=True)
    ]
    inner = f"input_blocks.{first[attention.index(True)]}.1"
    down = ["CrossAttnDownBlock2D" if has else "DownBlock2D" for has in attention]
    up = ["CrossAttnUpBlock2D" if has else "UpBlock2D" for has in reversed(attention)]
    found = {
        "down_block_types": down,
        "up_block_types": up,
        "block_out_channels": channels,
        "layers_per_block": 2,
        "transformer_layers_per_block": blocks,
        "cross_attention_dim": shapes[f"{inner}.transformer_blocks.0.attn2.to_k.weight"][1],
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "use_linear_projection": len(shapes[f"{inner}.proj_in.weight"]) == 2,
        # diffusers calls the number of heads their width
        "attention_head_dim": _HEADS_OF_SD15,
        "sample_size": 64,
    }
    if family == "sdxl":
        pooled = shapes["label_emb.0.0.weight"][1]
        found |= {
            "attention_head_dim": [max(1, width // _HEAD_WIDTH) for width in channels],
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": pooled,
            "sample_size": 128,
        }
    return found


def _clip(shapes: Shapes) -> Config:
    """Return the configuration of CLIP ViT-L/14's text model, as OpenAI trained it."""
    plain = _below(shapes, "text_model.") or shapes
    return _text_config(
        plain["embeddings.token_embedding.weight"],
        plain["embeddings.position_embedding.weight"],
        _count(plain, r"encoder\.layers\.(\d+)\."),
        plain["encoder.layers.0.mlp.fc1.weight"],
        "quick_gelu",
    )


def _open_clip(shapes: Shapes) -> Config:
    """Return the configuration of OpenCLIP ViT-bigG/14's text model."""
    config = _text_config(
        shapes["token_embedding.weight"],
        shapes["positional_embedding"],
        _count(shapes, r"transformer\.resblocks\.(\d+)\."),
        shapes["transformer.resblocks.0.mlp.c_fc.weight"],
        "gelu",
    )
    linear = shapes.get("text_projection.weight", ())[::-1]  # some programs save it as a layer
    return config | {"projection_dim": (linear or shapes["text_projection"])[1]}


def _text_config(tokens: Shape, places: Shape, layers: int, inner: Shape, act: str) -> Config:
    vocabulary, width = tokens
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "max_position_embeddings": places[0],
        "num_hidden_layers": layers,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "intermediate_size": inner[0],
        "hidden_act": act,
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": vocabulary - 1,
    }


def _scheduler(*, velocity: bool, zero: bool) -> Config:
    """Return the noise schedule, which is the same in both families."""
    return {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction" if velocity else "epsilon",
        "rescale_betas_zero_snr": zero,
        "timestep_spacing": "trailing" if zero else "leading",
        "steps_offset": 1,
        "clip_sample": False,
        "set_alpha_to_one": False,
    }


def unusual(family: FamilyName, configs: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what a single file of a model could not say, as clauses; empty for real models.

    Whoever reads a single file takes these values for granted.

    Args:
        family: sd15 or sdxl.
        configs: Of a folder's components.
    """
    unet = configs["unet"]
    widths = unet["block_out_channels"]
    heads = [max(1, width // _HEAD_WIDTH) for width in widths]
    usual: dict[str, Config] = {
        "unet": {
            "norm_num_groups": 32,
            "attention_head_dim": _HEADS_OF_SD15 if family == "sd15" else heads,
        },
        "vae": {"norm_num_groups": 32, "scaling_factor": _LATENT_SCALE[family]},
        "scheduler": {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"},
    }
    for name, act in (("text_encoder", "quick_gelu"), ("text_encoder_2", "gelu")):
        if name in configs:
            count = max(1, configs[name].get("hidden_size", 512) // _HEAD_WIDTH)
            usual[name] = {"vocab_size": 49408, "num_attention_heads": count, "hidden_act": act}
    return [
        f"{key} of its {component} is {found}, not {value}"
        for component, values in usual.items()
        for key, value in values.items()
        if (found := _plain(configs[component].get(key, value))) != value
    ]


def _plain(value: Any) -> Any:
    """Return a tuple as the list that JSON makes of it."""
    return list(value) if isinstance(value, tuple) else value
