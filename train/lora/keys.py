"""Names in LoRA files: kohya's own, and those of diffusers, PEFT and LyCORIS, brought to them.

kohya's names (sd-scripts ``networks/lora.py``) are read by every program; we write no others. A
key is the name of a module and, after the first dot, of one of its tensors, the leaf.
"""

import re
from collections.abc import Iterable

from train.lora.layout import (
    SD15_LAYOUT,
    SD15_TEXT,
    Shapes,
    TextLayout,
    UNetLayout,
    text_shapes,
    unet_shapes,
)

UNET_PREFIX = "lora_unet_"
TEXT_PREFIX = "lora_te_text_model_"

_PEFT = "base_model.model."
_UNET_BLOCKS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.")
_UNET_STARTS = tuple(f"{UNET_PREFIX}{part}" for part in ("down_", "mid_", "up_"))
_LEAVES = (
    ("lora_A.weight", "lora_down.weight"),
    ("lora_B.weight", "lora_up.weight"),
    ("lora.down.weight", "lora_down.weight"),
    ("lora.up.weight", "lora_up.weight"),
    ("lora_linear_layer.down.weight", "lora_down.weight"),
    ("lora_linear_layer.up.weight", "lora_up.weight"),
    ("lora_magnitude_vector.weight", "lora_magnitude_vector"),
    ("lora_magnitude_vector", "lora_magnitude_vector"),
)
"""Leaves of PEFT and diffusers with kohya's name; the names between them may hold dots."""
_PROCESSOR = re.compile(r"\.processor\.(to_(?:q|k|v|out))_lora\.(down|up)\.weight$")
"""Keys that diffusers wrote before it used PEFT."""
_ADAPTER_NAME = re.compile(
    r"\.(lora_[AB]|lora_magnitude_vector|(?:hada|lokr)_\w+)\.default(?=\.|$)"
)
_OTHER_LEAF = re.compile(r"\.(alpha|scalar|dora_scale|(?:hada|lokr)_\w+|lora_\w+(?:\.\w+)?)$")
_BLOCK = r"(down_blocks_\d_|mid_block_|up_blocks_\d_)"
_UNET_PATTERN = re.compile(
    UNET_PREFIX
    + r"(conv_in|conv_out|conv_norm_out|time_embedding_linear_[12]|"
    + _BLOCK
    + r"(attentions_\d_(norm|proj_in|proj_out|transformer_blocks_\d+_"
    + r"(norm[123]|attn[12]_to_(q|k|v|out_0)|ff_net_(0_proj|2)))"
    + r"|resnets_\d_(norm[12]|conv1|conv2|time_emb_proj|conv_shortcut)|(down|up)samplers_0_conv))"
)
_TEXT_PATTERN = re.compile(
    TEXT_PREFIX
    + r"(final_layer_norm|encoder_layers_\d+_"
    + r"(layer_norm[12]|self_attn_(q|k|v|out)_proj|mlp_fc[12]))"
)


def unet_key(path: str) -> str:
    """Return the kohya name of a UNet module.

    Example:
        >>> unet_key("mid_block.attentions.0.proj_in")
        'lora_unet_mid_block_attentions_0_proj_in'
    """
    return UNET_PREFIX + path.replace(".", "_")


def text_key(path: str) -> str:
    """Return the kohya name of a text encoder module, whatever transformers calls it today.

    Example:
        >>> text_key("encoder.layers.0.mlp.fc1")
        'lora_te_text_model_encoder_layers_0_mlp_fc1'
    """
    return TEXT_PREFIX + path.replace(".", "_")


def module_shapes(unet: UNetLayout, text: TextLayout) -> Shapes:
    """Return everything that a LoRA file can change in a model, by its name in the file."""
    found = {unet_key(path): shape for path, shape in unet_shapes(unet).items()}
    return found | {text_key(path): shape for path, shape in text_shapes(text).items()}


def sd15_shapes() -> Shapes:
    """Return ``module_shapes`` of Stable Diffusion 1.5."""
    return module_shapes(SD15_LAYOUT, SD15_TEXT)


def canonical(keys: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return module and leaf of each key of a file, as ``split_key``.

    diffusers calls the only text encoder the first one when it writes kohya's names.
    """
    found = {key: split_key(key) for key in keys}
    names = {module for module, _ in found.values()}
    only = not any(name.startswith("lora_te2_") for name in names)
    if only and any(name.startswith(_UNET_STARTS) for name in names):
        return {
            key: (re.sub("^lora_te1_", "lora_te_", module), leaf)
            for key, (module, leaf) in found.items()
        }
    return found


def split_key(key: str) -> tuple[str, str]:
    """Return module and leaf of a key in kohya's names, whoever wrote the file.

    A key of an unknown kind is split at its first dot.

    Example:
        >>> split_key("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight")
        ('lora_te_text_model_encoder_layers_0_mlp_fc1', 'lora_up.weight')
        >>> split_key("unet.mid_block.attentions.0.proj_in.lora_A.weight")
        ('lora_unet_mid_block_attentions_0_proj_in', 'lora_down.weight')
    """
    name, _, leaf = key.partition(".")
    if name.startswith("lycoris_"):
        return UNET_PREFIX + name.removeprefix("lycoris_"), leaf
    plain = key.removeprefix(_PEFT)
    plain = _ADAPTER_NAME.sub(r".\1", plain)
    plain = _PROCESSOR.sub(_from_processor, plain)
    path, leaf_of_path = _split_path(plain)
    module = _module_of_path(path) if leaf_of_path else ""
    return (module, leaf_of_path) if module else (name, leaf)


def is_peft_key(key: str) -> bool:
    """Return whether PEFT itself wrote a key; it keeps alpha in another file."""
    return key.startswith(_PEFT)


def _from_processor(match: re.Match[str]) -> str:
    """Return the module of an attention processor: its output is the first of ``to_out``."""
    module = f"{match[1]}.0" if match[1] == "to_out" else match[1]
    return f".{module}.lora.{match[2]}.weight"


def _split_path(key: str) -> tuple[str, str]:
    """Return dotted path and leaf of a key of diffusers; an empty leaf when it has none."""
    for ending, leaf in _LEAVES:
        if key.endswith(f".{ending}"):
            return key.removesuffix(f".{ending}"), leaf
    match = _OTHER_LEAF.search(key)
    return (key[: match.start()], match[1]) if match else (key, "")


def _module_of_path(path: str) -> str:
    """Return kohya's name of a dotted path; empty when it is of neither UNet nor text encoder."""
    if path.startswith("text_encoder_2."):
        return "lora_te2_" + path.removeprefix("text_encoder_2.").replace(".", "_")
    inside = path.removeprefix("unet.")
    if path.startswith("unet.") or f"{path}.".startswith(_UNET_BLOCKS):
        return unet_key(inside)
    inside = path.removeprefix("text_encoder.").removeprefix("text_model.")
    if inside != path or path.startswith("encoder.layers."):
        return text_key(inside)
    return ""


def is_sd15_module(name: str) -> bool:
    """Can a UNet or text encoder of the SD 1.5 family have this module?"""
    return bool(_UNET_PATTERN.fullmatch(name) or _TEXT_PATTERN.fullmatch(name))
