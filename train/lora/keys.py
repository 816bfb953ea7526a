"""Names in LoRA files: kohya's own, and those of diffusers, PEFT and LyCORIS, brought to them.

kohya's names (sd-scripts ``networks/lora.py``) are read by every program; we write no others. A
key is the name of a module and, after the first dot, of one of its tensors, the leaf.
"""

import re
from collections.abc import Iterable
from functools import cache

from train.lora.layout import SDXL_LAYOUT
from train.lora.sgm import sgm_paths

UNET_PREFIX = "lora_unet_"
TEXT_PREFIX = "lora_te_text_model_"
"""Of the only text encoder of SD 1.5."""
FIRST_TEXT_PREFIX, SECOND_TEXT_PREFIX = "lora_te1_text_model_", "lora_te2_text_model_"
"""Of the two text encoders of SDXL."""

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
_LEAF_NAMES = dict(_LEAVES)
_PROCESSOR = re.compile(r"\.processor\.(to_(?:q|k|v|out))_lora\.(down|up)\.weight$")
"""Keys that diffusers wrote before it used PEFT."""
_ADAPTER_NAME = re.compile(
    r"\.(lora_[AB]|lora_magnitude_vector|(?:hada|lokr)_\w+)\.default(?=\.|$)"
)
_OTHER_LEAF = re.compile(r"\.(alpha|scalar|dora_scale|(?:hada|lokr)_\w+|lora_\w+(?:\.\w+)?)$")
_SDXL_ONLY = re.compile(
    "lora_te2_|lora_unet_((input|middle|output)_block|add_embedding|label_emb"
    r"|(down|up|mid)_block\w*_transformer_blocks_[1-9])"
)
"""Names that only SDXL has: SD 1.5 has one transformer block in each attention."""


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


def canonical(keys: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return module and leaf of each key of a file, as ``split_key``, in the words of its family.

    diffusers calls the only text encoder of SD 1.5 the first one when it writes kohya's names, and
    the blocks of SDXL's UNet by its own names.
    """
    found = {key: split_key(key) for key in keys}
    names = {module for module, _ in found.values()}
    if any(map(_SDXL_ONLY.match, names)):
        rename = _sdxl_name
    elif any(name.startswith(_UNET_STARTS) for name in names):
        rename = _sd15_name
    else:
        return found
    return {key: (rename(module), leaf) for key, (module, leaf) in found.items()}


def _sd15_name(name: str) -> str:
    return re.sub("^lora_te1_", "lora_te_", name)


def _sdxl_name(name: str) -> str:
    """Return the name of a module of SDXL, which may have that of diffusers."""
    name = re.sub("^lora_te_", "lora_te1_", name)
    return _sdxl_unet_names().get(name, name)


@cache
def _sdxl_unet_names() -> dict[str, str]:
    """Return the names of SDXL's UNet by those of diffusers."""
    return {unet_key(path): unet_key(name) for path, name in sgm_paths(SDXL_LAYOUT).items()}


def split_key(key: str) -> tuple[str, str]:
    """Return module and leaf of a key in kohya's names, whoever wrote the file.

    A key of an unknown kind is split at its first dot. PEFT's names of tensors mean the same after
    kohya's names of modules.

    Example:
        >>> split_key("lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight")
        ('lora_te_text_model_encoder_layers_0_mlp_fc1', 'lora_up.weight')
        >>> split_key("unet.mid_block.attentions.0.proj_in.lora_A.weight")
        ('lora_unet_mid_block_attentions_0_proj_in', 'lora_down.weight')
    """
    name, _, leaf = _ADAPTER_NAME.sub(r".\1", key).partition(".")
    leaf = _LEAF_NAMES.get(leaf, leaf)
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
        inside = path.removeprefix("text_encoder_2.").removeprefix("text_model.")
        return SECOND_TEXT_PREFIX + inside.replace(".", "_")
    inside = path.removeprefix("unet.")
    if path.startswith("unet.") or f"{path}.".startswith(_UNET_BLOCKS):
        return unet_key(inside)
    inside = path.removeprefix("text_encoder.").removeprefix("text_model.")
    if inside != path or path.startswith("encoder.layers."):
        return text_key(inside)
    return ""
