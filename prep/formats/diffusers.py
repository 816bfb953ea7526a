"""The command line that trains with the example scripts of diffusers.

Source: ``examples/text_to_image/train_text_to_image_lora.py`` and its SDXL twin: they read an
imagefolder, scale the shorter side to the resolution and crop a square; they have no repeats.
"""

import shlex
from collections.abc import Sequence

from prep.formats.train_table import base_model, step_limit, train_table
from prep.project import Project
from prep.training_set.kohya import ExportSubset

NAME = "train.sh"


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
        "lr_scheduler": _scheduler(table.scheduler, table.warmup_steps),
        "lr_warmup_steps": table.warmup_steps,
        "max_grad_norm": table.max_grad_norm,
        "adam_weight_decay": table.weight_decay,
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
    flags += ["gradient_checkpointing"] if table.gradient_checkpointing else []
    flags += ["train_text_encoder"] if sdxl and table.text_encoder_rate else []
    name = "train_text_to_image_lora_sdxl.py" if sdxl else "train_text_to_image_lora.py"
    lines = [f"--{key} {shlex.quote(str(value))}" for key, value in options.items()]
    command = " \\\n  ".join([f"accelerate launch {name}", *lines, *(f"--{f}" for f in flags)])
    head = "#!/bin/sh\n# Made by shikomi export. Run it in examples/text_to_image of diffusers.\n"
    return f"{head}exec {command}\n"


def _scheduler(name: str, warmup: int) -> str:
    return "constant_with_warmup" if name == "constant" and warmup else name
