"""Which family a checkpoint belongs to, by the names and shapes of its tensors. No torch.

What shikomi does not train is refused by its own name, so that nobody has to guess.
"""

import re
from collections.abc import Iterable, Mapping

from prep.errors import UserError
from train.lora.layout import Shape
from train.settings.model import FamilyName

UNET = "model.diffusion_model."
VAE = "first_stage_model."
SD15_TEXT = "cond_stage_model.transformer."
SDXL_TEXT = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
"""Where single files of Stability's code keep the parts of a model."""

TITLES: Mapping[FamilyName, str] = {"sd15": "Stable Diffusion 1.5", "sdxl": "SDXL"}
"""What messages call the families."""

_FIRST_LAYER = f"{UNET}input_blocks.0.0.weight"
_INPAINTING, _PIX2PIX = 9, 8
"""Channels that the first layer reads; 4 for models that draw from text alone."""
_REFINER_POOLED = 2560
_CHOOSE = "Choose an SD 1.5 or SDXL checkpoint as base."
_OTHERS = (
    (r"(model\.diffusion_model\.)?joint_blocks\.", "a Stable Diffusion 3 model"),
    (r"(model\.diffusion_model\.)?(double|single)_blocks\.", "a Flux model, or built like one"),
    (r"(transformer|single_transformer)_blocks\.|transformer\.", "a transformer of diffusers"),
    (r"(model\.diffusion_model\.|net\.)blocks\.\d+\.(self|cross)_attn\.", "an Anima model"),
    (r"(model\.diffusion_model\.)?llm_adapter\.", "an Anima model"),
    (r"(model\.diffusion_model\.)?(noise_refiner|context_refiner)\.", "a Lumina model"),
    (r"(model\.diffusion_model\.)?(x_embedder|t_block|y_embedder)\.", "a diffusion transformer"),
    (r"lora_(unet|te\d?)_|.*\.lora_(down|up|A|B)\.|.*\.hada_w|.*\.lokr_w", "a LoRA"),
    (r"(down_blocks|mid_block|up_blocks|conv_in)\.", "the UNet of a diffusers folder"),
    (r"(control_model|controlnet_\w+)\.", "a ControlNet"),
    (r"(encoder|decoder|quant_conv|post_quant_conv)\.", "a VAE"),
    (r"(text_model|transformer\.resblocks)\.", "a text encoder"),
    (r"(image_proj|ip_adapter)\.", "an IP-Adapter"),
    (r"(emb_params|string_to_param|clip_[lg]$)", "a textual inversion"),
)
"""Beginnings of names, each with what a file of that kind is."""


def recognise(name: str, shapes: Mapping[str, Shape]) -> FamilyName:
    """Return the family of a single file: sd15 or sdxl.

    Args:
        name: What to call the file in messages.
        shapes: Of its tensors, by name.

    Raises:
        UserError: It is something else, or lacks a part; it is named.
    """
    if _FIRST_LAYER not in shapes:
        raise UserError(f"{name} is {_other(shapes)}.", _CHOOSE)
    _refuse_relatives(name, shapes)
    family: FamilyName
    texts: tuple[str, ...]
    if any(key.startswith(SDXL_TEXT[1]) for key in shapes):
        family, texts = "sdxl", SDXL_TEXT
    elif any(key.startswith(SD15_TEXT) for key in shapes):
        family, texts = "sd15", (SD15_TEXT,)
    else:
        raise UserError(
            f"{name} holds a UNet and no text encoder.", "Choose the full checkpoint of the model."
        )
    if missing := [part for part in texts if not any(key.startswith(part) for key in shapes)]:
        raise UserError(f"{name} is incomplete: it has nothing under {missing[0]}*.", _CHOOSE)
    return family


def _other(shapes: Iterable[str]) -> str:
    keys = list(shapes)
    for pattern, title in _OTHERS:
        if any(re.match(pattern, key) for key in keys):
            return f"{title}, which cannot be a base model here"
    return "no model that shikomi knows"


def _refuse_relatives(name: str, shapes: Mapping[str, Shape]) -> None:
    """Refuse what has a UNet of the same code, and would load or train wrongly.

    Raises:
        UserError: It is named.
    """
    channels = shapes[_FIRST_LAYER][1:2]
    pooled = shapes.get(f"{UNET}label_emb.0.0.weight", (0, 0))[1:2]
    kind = ""
    if channels == (_INPAINTING,):
        kind = "an inpainting model"
    elif channels == (_PIX2PIX,):
        kind = "an InstructPix2Pix model"
    elif pooled == (_REFINER_POOLED,):
        kind = "the refiner of SDXL"
    elif any(key.startswith("cond_stage_model.model.") for key in shapes):
        kind = "a Stable Diffusion 2 model"
    elif "edm_vpred.sigma_max" in shapes or "edm_mean" in shapes:
        kind = "an EDM model such as CosXL, whose noise schedule is another"
    if kind:
        raise UserError(f"{name} is {kind}.", _CHOOSE)
