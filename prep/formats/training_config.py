"""A ready training configuration for sd-scripts: ``--config_file sd_scripts.toml``.

Source: the arguments of ``train_network.py``; sd-scripts silently accepts unknown keys, so
only known keys may be written. Settings in ``dataset.toml`` are not repeated here.
"""

from pathlib import Path
from typing import Any

import tomlkit

from prep.formats.base_models import noise_kind
from prep.formats.train_table import TrainTable, base_model, step_limit, train_table
from prep.project import Project
from prep.texts import read_text

NAME = "sd_scripts.toml"
PROMPTS = "sample_prompts.txt"
_PRECISION = {"auto": "fp16", "fp32": "no"}
"""auto means fp16, which every GPU supports; sd-scripts cannot choose by itself."""
_SAVED = {"fp32": "float"}
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
        **_noise(base_model(project, table)),
        "dataset_config": str(dataset_toml),
        "output_dir": str(project.output / "lora"),
        "output_name": project.name,
        "save_model_as": "safetensors",
        "network_module": "networks.lora",
        **_network(table),
        **_optimiser(table),
        **_course(table, steps),
        **_validation(table),
        **_precision(project, table),
        **_samples(table, dataset_toml.parent),
    }
    values |= {"masked_loss": True} if masked else {}
    values |= {"prior_loss_weight": 1.0} if regular else {}
    head = (
        "# Made by shikomi export from [train] of shikomi.toml. Inside sd-scripts, run:\n"
        f"# accelerate launch {script(project)} --config_file {dataset_toml.parent / NAME}\n"
    )
    return head + tomlkit.dumps(values)


def _network(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {"network_dim": table.rank, "network_alpha": table.alpha}
    if table.dropout:
        found["network_dropout"] = table.dropout
    if table.conv_rank:
        found["network_args"] = [f"conv_dim={table.conv_rank}", f"conv_alpha={table.conv_alpha}"]
    if not table.text_encoder_rate:
        found["network_train_unet_only"] = True
    return found


def _optimiser(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {
        "optimizer_type": "AdamW",
        "optimizer_args": [f"weight_decay={table.weight_decay}"],
        "learning_rate": table.learning_rate,
        "unet_lr": table.learning_rate,
        "max_grad_norm": table.max_grad_norm,
        "lr_scheduler": table.scheduler,
        "lr_warmup_steps": table.warmup_steps,
    }
    if table.text_encoder_rate:
        second = table.text_encoder_2_learning_rate
        rate = table.text_encoder_rate
        found["text_encoder_lr"] = rate if second is None else [rate, second]
    if table.scheduler == "constant" and table.warmup_steps:
        # Its plain "constant" has no warm-up.
        found["lr_scheduler"] = "constant_with_warmup"
    return found


def _noise(base: str) -> dict[str, Any]:
    """Return what sd-scripts cannot read off an SD 1.5 or SDXL model."""
    kind = noise_kind(base)
    found = {"v_parameterization": kind.v_prediction, "zero_terminal_snr": kind.zero_terminal_snr}
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
        "min_snr_gamma": table.min_snr_gamma,
        "noise_offset": table.noise_offset,
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
