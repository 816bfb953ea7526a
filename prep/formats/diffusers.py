"""The command line that trains with the example scripts of diffusers.

Source: ``examples/text_to_image/train_text_to_image_lora.py`` and its SDXL twin: they read an
imagefolder, scale the shorter side to the resolution and crop a square; they have no repeats.
"""

import shlex
from collections.abc import Sequence

from prep.formats.train_table import TrainTable, base_model, left_out, step_limit, train_table
from prep.project import Project
from prep.training_set.kohya import ExportSubset

NAME = "train.sh"
_SCHEDULERS = {"rex": "cosine", "wsd": "cosine"}
"""What they get instead of what they do not have."""
# fmt: off
_CARRIED = frozenset({
    "base", "batch_size", "gradient_accumulation", "epochs", "max_steps", "learning_rate",
    "warmup_steps", "max_grad_norm", "weight_decay", "betas", "eps", "rank", "precision", "seed",
    "min_snr_gamma", "noise_offset", "gradient_checkpointing", "train_text_encoder",
})
# fmt: on


def train_sh(project: Project, folder: str, subsets: Sequence[ExportSubset], steps: int) -> str:
    """Return a shell script with the command line.

    Args:
        project: The project, with its ``[train]`` table.
        folder: Path of the training set, as it should be written.
        subsets: Concepts of the training set.
        steps: Optimiser steps of the plan.

    Raises:
        ConfigError: The ``[train]`` table is not valid.
    """
    table = train_table(project)
    sdxl = project.settings.project.family == "sdxl"
    repeats = min((subset.concept.repeats for subset in subsets), default=1)
    options = {
        "pretrained_model_name_or_path": base_model(project, table) or "BASE_MODEL",
        "train_data_dir": folder,
        "caption_column": "text",
        "output_dir": str(project.output / "lora" / project.name),
        "resolution": project.settings.project.resolution,
        "train_batch_size": table.batch_size,
        "gradient_accumulation_steps": table.gradient_accumulation,
        "learning_rate": table.learning_rate,
        "lr_scheduler": _SCHEDULERS.get(table.scheduler, table.scheduler_with_warmup),
        "lr_warmup_steps": table.warmup(steps),
        "max_grad_norm": table.max_grad_norm,
        "adam_weight_decay": table.weight_decay,
        **_betas(table),
        "rank": table.rank,
        "mixed_precision": {"auto": "fp16", "fp32": "no"}.get(table.precision, table.precision),
        "seed": table.seed,
        "dataloader_num_workers": 2,
    }
    if limit := step_limit(table, steps):
        options["max_train_steps"] = limit
    else:
        options["num_train_epochs"] = table.epochs * repeats
    optional = {"snr_gamma": table.min_snr_gamma, "noise_offset": table.noise_offset}
    options |= {key: value for key, value in optional.items() if value}
    flags = ["center_crop"]
    flags += ["use_8bit_adam"] if table.optimizer == "adamw8bit" else []
    flags += ["gradient_checkpointing"] if table.gradient_checkpointing else []
    flags += ["train_text_encoder"] if sdxl and table.text_encoder_rate else []
    name = "train_text_to_image_lora_sdxl.py" if sdxl else "train_text_to_image_lora.py"
    lines = [f"--{key} {shlex.quote(str(value))}" for key, value in options.items()]
    command = " \\\n  ".join([f"accelerate launch {name}", *lines, *(f"--{f}" for f in flags)])
    head = "#!/bin/sh\n# Made by shikomi export. Run it in examples/text_to_image of diffusers.\n"
    return f"{head}{left_out(project, _carried(table))}exec {command}\n"


def _betas(table: TrainTable) -> dict[str, float]:
    betas = {"adam_beta1": table.betas[0], "adam_beta2": table.betas[1]} if table.betas else {}
    return betas | ({"adam_epsilon": table.eps} if table.eps else {})


def _carried(table: TrainTable) -> set[str]:
    """Return the settings that are in the command line; the scripts know little else."""
    found = set(_CARRIED)
    found |= {"optimizer"} if table.optimizer in ("adamw", "adamw8bit") else set()
    return found | ({"scheduler"} if table.scheduler not in _SCHEDULERS else set())
