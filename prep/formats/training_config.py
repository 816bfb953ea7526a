"""A ready training configuration for sd-scripts: ``--config_file sd_scripts.toml``.

Source: the arguments of ``train_network.py``; sd-scripts silently accepts unknown keys, so
only known keys may be written. Settings in ``dataset.toml`` are not repeated here.
"""

from pathlib import Path
from typing import Any

import tomlkit

from prep.formats.base_models import noise_kind
from prep.formats.train_table import (
    TrainTable,
    base_model,
    left_out,
    model_path,
    step_limit,
    train_table,
)
from prep.project import Project
from prep.texts import read_text

NAME = "sd_scripts.toml"
PROMPTS = "sample_prompts.txt"
_PRECISION = {"auto": "fp16", "fp32": "no"}
"""auto means fp16, which every GPU supports; sd-scripts cannot choose by itself."""
_TIMESTEPS = 1000
_SAVED = {"fp32": "float"}
_OPTIMIZERS = {
    "adamw": "AdamW",
    "adamw8bit": "AdamW8bit",
    "lion": "Lion",
    "lion8bit": "Lion8bit",
    "adafactor": "AdaFactor",
    "prodigy": "Prodigy",
    "schedulefree": "AdamWScheduleFree",
}
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "adafactor": {"scale_parameter": False, "relative_step": False, "warmup_init": False},
    "prodigy": {"use_bias_correction": True, "safeguard_warmup": True},
}
"""What shikomi gives them beside the settings."""
_SCHEDULERS = {"wsd": "warmup_stable_decay", "rex": "cosine"}
"""There is no REX there; the file says so."""
_WITH_MINIMUM = {"cosine": "cosine_with_min_lr", "wsd": "warmup_stable_decay"}
"""Schedulers that can end above 0, and their names then."""
_DROPOUTS = ("rank_dropout", "module_dropout")
_SAMPLERS = {"dpmpp_2m": "dpmsolver++", "dpmpp_2m_karras": "dpmsolver++", "unipc": "ddim"}


def script(project: Project) -> str:
    """Return the script of sd-scripts that trains a LoRA for the project's family."""
    sdxl = project.settings.project.family == "sdxl"
    return "sdxl_train_network.py" if sdxl else "train_network.py"


def config_toml(
    project: Project, dataset_toml: Path, steps: int, *, masked: bool, regular: bool
) -> str:
    """Return the text of the configuration.

    Args:
        project: The project, with its ``[train]`` table.
        dataset_toml: The dataset file, absolute.
        steps: Optimiser steps of the plan.
        masked: The training set has masks in a separate folder.
        regular: It has regularisation images.

    Raises:
        ConfigError: The ``[train]`` table is not valid.
    """
    table = train_table(project)
    values: dict[str, Any] = {
        "pretrained_model_name_or_path": base_model(project, table),
        **_noise(base_model(project, table), table),
        **({"vae": model_path(project, table.vae)} if table.vae else {}),
        "dataset_config": str(dataset_toml),
        "output_dir": str(project.output / "lora"),
        "output_name": project.name,
        "save_model_as": "safetensors",
        "network_module": "networks.lora",
        **_network(table),
        **_optimiser(table),
        **_course(table, steps),
        **_objective(table),
        **_validation(table),
        **_precision(project, table),
        **_samples(table, dataset_toml.parent),
    }
    values |= {"masked_loss": True} if masked else {}
    values |= {"prior_loss_weight": table.prior_loss_weight} if regular else {}
    head = (
        "# Made by shikomi export from [train] of shikomi.toml. Inside sd-scripts, run:\n"
        f"# accelerate launch {script(project)} --config_file {dataset_toml.parent / NAME}\n"
    )
    return head + left_out(project, _carried(table)) + tomlkit.dumps(values)


def _network(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {"network_dim": table.rank, "network_alpha": table.alpha}
    if table.dropout:
        found["network_dropout"] = table.dropout
    if table.max_norm:
        found["scale_weight_norms"] = table.max_norm
    extra: dict[str, float] = {"conv_dim": table.conv_rank} if table.conv_rank else {}
    extra |= {"conv_alpha": table.conv_alpha} if table.conv_rank else {}
    extra |= {n: v for n in _DROPOUTS if (v := getattr(table, n))}
    if extra:
        found["network_args"] = [f"{name}={value}" for name, value in extra.items()]
    if not table.text_encoder_rate:
        found["network_train_unet_only"] = True
    return found


def _optimiser(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {
        "optimizer_type": _OPTIMIZERS.get(table.optimizer, table.optimizer),
        "optimizer_args": _optimizer_args(table),
        "learning_rate": table.learning_rate,
        "unet_lr": table.learning_rate,
        "max_grad_norm": table.max_grad_norm,
        **_scheduler(table),
    }
    if table.text_encoder_rate:
        second = table.text_encoder_2_learning_rate
        rate = table.text_encoder_rate
        found["text_encoder_lr"] = rate if second is None else [rate, second]
    return found


def _optimizer_args(table: TrainTable) -> list[str]:
    """Return arguments as sd-scripts reads them: ``name=value`` with the value in Python."""
    values: dict[str, Any] = dict(_ARGUMENTS.get(table.optimizer, {}))
    values |= {"weight_decay": table.weight_decay}
    values |= {"betas": table.betas} if table.betas else {}
    values |= {"eps": table.eps} if table.eps else {}
    values |= table.optimizer_args
    return [f"{name}={value!r}" for name, value in values.items()]


def _scheduler(table: TrainTable) -> dict[str, Any]:
    name, low = table.scheduler_with_warmup, table.scheduler_minimum
    warmup = table.warmup_steps
    found: dict[str, Any] = {
        "lr_scheduler": _SCHEDULERS.get(name, name),
        "lr_warmup_steps": int(warmup) if warmup >= 1 or not warmup else warmup,
    }
    if name == "cosine_with_restarts":
        found["lr_scheduler_num_cycles"] = table.scheduler_cycles
    elif name == "polynomial":
        found["lr_scheduler_power"] = table.scheduler_power
    elif name == "wsd":
        found["lr_decay_steps"] = table.scheduler_decay
    if low and name in _WITH_MINIMUM:
        found["lr_scheduler_min_lr_ratio"] = low
        found["lr_scheduler"] = _WITH_MINIMUM[name]
    return found


def _carried(table: TrainTable) -> set[str]:
    """Return the settings that sd-scripts gets; some combinations it does not have."""
    missing = {"timestep_sampling"}
    missing |= {"scheduler"} if table.scheduler == "rex" else set()
    missing |= {"scheduler_minimum"} if table.scheduler not in _WITH_MINIMUM else set()
    return TrainTable.model_fields.keys() - missing


def _noise(base: str, table: TrainTable) -> dict[str, Any]:
    """Return what sd-scripts cannot read off an SD 1.5 or SDXL model."""
    kind, zero = noise_kind(base), table.zero_terminal_snr
    velocity = kind.v_prediction if table.prediction == "auto" else table.prediction != "epsilon"
    found = {
        "v_parameterization": velocity,
        "zero_terminal_snr": kind.zero_terminal_snr if zero is None else zero,
    }
    return {key: True for key, value in found.items() if value}


def _validation(table: TrainTable) -> dict[str, Any]:
    if not table.validation_fraction:
        return {}
    return {
        "validation_split": table.validation_fraction,
        # Without a seed, images that are trained on would be among those held out.
        "validation_seed": table.seed,
        "validate_every_n_epochs": table.validate_every_epochs,
    }


def _course(table: TrainTable, steps: int) -> dict[str, Any]:
    # Epochs take precedence over steps there.
    limit = step_limit(table, steps)
    length = {"max_train_steps": limit} if limit else {"max_train_epochs": table.epochs}
    found: dict[str, Any] = {
        **length,
        "gradient_accumulation_steps": table.gradient_accumulation,
        "seed": table.seed,
    }
    optional = {
        "caption_dropout_rate": table.caption_dropout,
        "caption_tag_dropout_rate": table.tag_dropout,
        "save_every_n_epochs": table.save_every_epochs,
        "save_every_n_steps": table.save_every_steps,
    }
    found |= {key: value for key, value in optional.items() if value}
    if table.clip_skip > 1:
        found["clip_skip"] = table.clip_skip
    if table.max_token_length > 75:
        found["max_token_length"] = table.max_token_length
    return found


def _objective(table: TrainTable) -> dict[str, Any]:
    huber, pyramid = table.loss_type != "l2", table.multires_noise_iterations
    optional: dict[str, Any] = {
        "min_snr_gamma": table.min_snr_gamma,
        "debiased_estimation_loss": table.debiased_estimation_loss,
        "scale_v_pred_loss_like_noise_pred": table.scale_v_pred_loss_like_noise_pred,
        "v_pred_like_loss": table.v_pred_like_loss,
        "loss_type": table.loss_type if huber else "",
        "huber_schedule": table.huber_schedule if huber else "",
        "huber_c": table.huber_c if huber else 0,
        "huber_scale": table.huber_scale if huber else 0,
        "noise_offset": table.noise_offset,
        "noise_offset_random_strength": table.noise_offset_random_strength,
        "adaptive_noise_scale": table.adaptive_noise_scale,
        "multires_noise_iterations": pyramid,
        "ip_noise_gamma": table.ip_noise_gamma,
        "ip_noise_gamma_random_strength": table.ip_noise_gamma_random_strength,
        "min_timestep": table.min_timestep,
        "max_timestep": table.max_timestep if table.max_timestep < _TIMESTEPS else 0,
    }
    found = {key: value for key, value in optional.items() if value}
    return found | ({"multires_noise_discount": table.multires_noise_discount} if pyramid else {})


def _precision(project: Project, table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {
        "mixed_precision": _PRECISION.get(table.precision, table.precision),
        "save_precision": _SAVED.get(table.save_precision, table.save_precision),
        "gradient_checkpointing": table.gradient_checkpointing,
        "cache_latents": True,
        "sdpa": True,
    }
    # SDXL's own VAE overflows in fp16.
    return found | ({"no_half_vae": True} if project.settings.project.family == "sdxl" else {})


def _samples(table: TrainTable, folder: Path) -> dict[str, Any]:
    if not table.sample_prompts:
        return {}
    found: dict[str, Any] = {
        "sample_prompts": str(folder / PROMPTS),
        "sample_sampler": _SAMPLERS.get(table.sampler, table.sampler),
        "sample_at_first": table.sample_at_start,
    }
    every = {
        "sample_every_n_epochs": table.sample_every_epochs,
        "sample_every_n_steps": table.sample_every_steps,
    }
    return found | {key: value for key, value in every.items() if value}


def prompts_txt(project: Project) -> str:
    """Return the sample prompts, each with size, steps and scale; empty if there are none."""
    table = train_table(project)
    lines: list[str] = []
    for entry in table.sample_prompts:
        file = project.root / entry
        if entry.endswith(".txt") and file.is_file():
            text = read_text(file, "replace")
            lines += [line for line in text.splitlines() if line.strip() and line[0] != "#"]
        else:
            lines.append(entry)
    side = project.settings.project.resolution
    options = {"w": side, "h": side, "s": table.sample_steps, "l": f"{table.sample_cfg:g}"}
    return "".join(_complete(line, options) + "\n" for line in lines)


def _complete(prompt: str, options: dict[str, Any]) -> str:
    missing = (f" --{key} {value}" for key, value in options.items() if f" --{key} " not in prompt)
    return prompt + "".join(missing)
