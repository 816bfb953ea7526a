"""The form of kohya_ss: its JSON files and presets, as arguments of sd-scripts.

Source: ``kohya_gui/lora_gui.py``, which makes the same arguments of the form. Several fields act
only with others, so presets are full of values that change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LYCORIS = {
    "LyCORIS/LoCon": "locon",
    "LyCORIS/LoHa": "loha",
    "LyCORIS/LoKr": "lokr",
    "LyCORIS/iA3": "ia3",
    "LyCORIS/DyLoRA": "dylora",
    "LyCORIS/GLoRA": "glora",
    "LyCORIS/BOFT": "boft",
    "LyCORIS/Diag-OFT": "diag-oft",
    "LyCORIS/Native Fine-Tuning": "full",
}
_MODULES = {
    "Standard": "networks.lora",
    "Kohya LoCon": "networks.lora",
    "Kohya LoHa": "networks.loha",
    "Kohya LoKr": "networks.lokr",
    "LoRA-FA": "networks.lora_fa",
    "Kohya DyLoRA": "networks.dylora",
}
_OF_BLOCKS = (
    "down_lr_weight",
    "mid_lr_weight",
    "up_lr_weight",
    "block_lr_zero_threshold",
    "block_dims",
    "block_alphas",
    "conv_block_dims",
    "conv_block_alphas",
)
_OF_LYCORIS = (
    *("conv_dim", "conv_alpha", "use_tucker", "use_cp", "factor", "bypass_mode", "dora_wd"),
    *("use_scalar", "rank_dropout_scale", "decompose_both", "train_norm", "constrain", "rescaled"),
)
_DROPS = ("rank_dropout", "module_dropout")
_PLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")
_OF_NETWORK = {*_OF_BLOCKS, *_OF_LYCORIS, *_DROPS, *_PLUS, "unit", "train_on_input"}
_OTHER_FAMILIES = ("flux1_checkbox", "sd3_checkbox", "anima_checkbox", "lumina_checkbox")
_FORM_ONLY = (
    *("lora_type", "lycoris_preset", "lr_warmup", "epoch", "sdxl", "additional_parameters"),
    *("stop_text_encoder_training_pct", "noise_offset_type"),
    *("sdxl_cache_text_encoder_outputs", "sdxl_no_half_vae", "model_list", "save_as_bool"),
    *("lora_network_weights", "conv_dims", "conv_alphas", "extra_accelerate_launch_args"),
)
_OF_MULTIRES = ("multires_noise_iterations", "multires_noise_discount")
_OF_OFFSET = ("noise_offset", "noise_offset_random_strength", "adaptive_noise_scale")
_ABSENT_IF_ZERO = (
    *("unet_lr", "text_encoder_lr", "max_train_epochs", "max_train_steps", "seed", "clip_skip"),
    *("lr_warmup_steps", "max_timestep", "vae_batch_size", "stop_text_encoder_training"),
)


@dataclass(frozen=True)
class Form:
    """A form as arguments.

    Attributes:
        arguments: By sd-scripts' names.
        more: Further arguments as a command line.
        family: sd15 or sdxl.
    """

    arguments: dict[str, Any]
    more: str
    family: str


def is_form(values: Mapping[str, Any]) -> bool:
    """Return whether these are values of kohya_ss' form."""
    return bool({"LoRA_type", "max_resolution", "num_cpu_threads_per_process"} & values.keys())


def is_form_of_lora(values: Mapping[str, Any]) -> bool:
    """Return whether the form is that for LoRAs."""
    return "LoRA_type" in values


def form_arguments(values: Mapping[str, Any]) -> Form:
    """Return what kohya_ss would call sd-scripts with."""
    form = {name: value for name, value in values.items() if value is not None and value != ""}
    kept = {
        name: value
        for name, value in form.items()
        if name.lower() not in _FORM_ONLY
        and name not in _OF_NETWORK
        and not (name in _ABSENT_IF_ZERO and _zero(value))
        and not _of_another_family(name)
    }
    multires = form.get("noise_offset_type") == "Multires"
    for name in _OF_OFFSET if multires else _OF_MULTIRES:
        kept.pop(name, None)
    for name in ("noise_offset", "adaptive_noise_scale", "multires_noise_iterations"):
        if _zero(kept.get(name, 1)):
            kept.pop(name, None)
    stop = form.get("stop_text_encoder_training_pct", 0)
    kept |= {} if _zero(stop) else {"stop_text_encoder_training": stop}
    kept |= _network(form) | _course(form) | _parts(form)
    chosen = next((name for name in _OTHER_FAMILIES if form.get(name) is True), "")
    if chosen:
        kept["network_module"] = f"kohya_ss' {chosen.removesuffix('_checkbox')}"
    family = "sdxl" if form.get("sdxl") is True else ""
    return Form(kept, str(form.get("additional_parameters", "")), family)


def _network(form: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(form["LoRA_type"])
    arguments: dict[str, Any] = {}
    names: tuple[str, ...] = (*_DROPS, *_OF_BLOCKS)
    if kind in _LYCORIS:
        arguments = {"preset": form.get("LyCORIS_preset", "full"), "algo": _LYCORIS[kind]}
        names = (*_OF_LYCORIS, *_DROPS)
    elif kind in ("Kohya LoHa", "Kohya LoKr"):
        names = ("conv_dim", "conv_alpha", "use_tucker", "factor", *_DROPS)
    elif kind == "Kohya LoCon":
        names = ("conv_dim", "conv_alpha", *names)
    elif kind == "Kohya DyLoRA":
        names = ("conv_dim", "conv_alpha", "unit", *names)
    arguments |= {name: form[name] for name in (*names, *_PLUS) if name in form}
    if "factor" in arguments and "lokr" not in kind.lower():
        del arguments["factor"]
    module = "lycoris.kohya" if kind in _LYCORIS else _MODULES.get(kind, kind)
    found: dict[str, Any] = {
        "network_module": module,
        "network_args": [f"{name}={value}" for name, value in arguments.items()],
    }
    weights = form.get("network_weights") or form.get("lora_network_weights")
    return found | ({"network_weights": weights} if weights else {})


def _course(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return length and warm-up: the form has epochs, and a warm-up in percent."""
    found: dict[str, Any] = {}
    limits = ("max_train_epochs", "max_train_steps")
    if all(_zero(form.get(name, 0)) for name in limits):
        found["max_train_epochs"] = form.get("epoch", 1)
    if _zero(form.get("lr_warmup_steps", 0)) and not _zero(form.get("lr_warmup", 0)):
        found["lr_warmup_steps"] = _share(form["lr_warmup"])
    if "lr_scheduler_num_cycles" not in form:
        found["lr_scheduler_num_cycles"] = form.get("epoch", 1)
    return found


def _parts(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return which parts are trained: those whose learning rate is not 0."""
    unet, text = (not _zero(form.get(name, 0)) for name in ("unet_lr", "text_encoder_lr"))
    found: dict[str, Any] = {}
    if unet != text:
        found["network_train_unet_only" if unet else "network_train_text_encoder_only"] = True
    if form.get("sdxl") is True and form.get("sdxl_cache_text_encoder_outputs") is True:
        found["cache_text_encoder_outputs"] = True
    return found


def _of_another_family(name: str) -> bool:
    beginnings = ("flux1_", "sd3_", "anima_", "lumina_", "hunyuan_")
    return name.startswith(beginnings) or name in _FAMILY_FIELDS


# fmt: off
_FAMILY_FIELDS = frozenset({
    "ae", "apply_t5_attn_mask", "blocks_to_swap", "clip_g", "clip_g_dropout_rate", "clip_l",
    "discrete_flow_shift", "double_blocks_to_swap", "enable_all_linear", "fp8_base_unet",
    "ggpo_beta", "ggpo_sigma", "guidance_scale", "img_attn_dim", "img_mlp_dim", "img_mod_dim",
    "in_dims", "logit_mean", "logit_std", "mem_eff_save", "mode_scale",
    "model_prediction_type", "model_type", "pos_emb_random_crop_rate", "save_clip",
    "save_t5xxl", "show_timesteps", "show_timesteps_resolution", "single_blocks_to_swap",
    "single_dim", "single_mod_dim", "split_mode", "split_qkv", "t5xxl", "t5xxl_device",
    "t5xxl_dtype", "t5xxl_lr", "t5xxl_max_token_length", "timestep_sampling", "train_blocks",
    "train_double_block_indices", "train_lora_ggpo", "train_single_block_indices",
    "train_t5xxl", "txt_attn_dim", "txt_mlp_dim", "txt_mod_dim", "weighting_scheme",
})
# fmt: on
"""Fields of the form for Flux, SD 3 and others; they do nothing for SD 1.5 and SDXL."""


def _zero(value: Any) -> bool:
    try:
        return float(value) == 0
    except (TypeError, ValueError):
        return False


def _share(percent: Any) -> Any:
    try:
        return float(percent) / 100
    except (TypeError, ValueError):
        return percent  # told of where it is read
