"""A configuration for ai-toolkit, and the little YAML that it needs.

Source: its ``config/examples`` and ``toolkit/config_modules.py`` (``DatasetConfig``:
``folder_path``, ``caption_ext``, ``num_repeats``, ``is_reg``, ``mask_path``, ``alpha_mask``,
``token_dropout_rate``, ``keep_tokens``).
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from prep import captions
from prep.formats.base_models import noise_kind
from prep.formats.train_table import TrainTable, base_model, left_out, train_table
from prep.project import Project
from prep.training_set.kohya import ExportSubset

NAME = "config.yaml"
_OPTIMIZERS = ("adamw", "adamw8bit", "lion", "lion8bit", "adafactor", "prodigy")
_SCHEDULERS = ("constant", "linear", "cosine")
"""What goes by the same name there (``toolkit/optimizer.py``, ``toolkit/scheduler.py``)."""
# fmt: off
_CARRIED = frozenset({
    "base", "batch_size", "gradient_accumulation", "epochs", "max_steps", "rank", "alpha",
    "conv_rank", "conv_alpha", "train_text_encoder", "learning_rate", "text_encoder_learning_rate",
    "weight_decay", "betas", "eps", "max_grad_norm", "precision", "save_precision", "seed",
    "gradient_checkpointing", "min_snr_gamma", "noise_offset", "caption_dropout", "tag_dropout",
    "sample_prompts", "sample_steps", "sample_cfg",
})
# fmt: on
_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
"""Characters that JSON writes literally and YAML refuses or reads as a line break."""


def config_yaml(
    project: Project, subsets: Sequence[ExportSubset], steps: int, *, shuffle: bool
) -> str:
    """Return the text of the configuration.

    Args:
        project: The project, with its ``[train]`` table.
        subsets: Subsets, with folders as they should be written.
        steps: Optimiser steps; ai-toolkit has no epochs.
        shuffle: Shuffle the tags of captions.

    Raises:
        ConfigError: The ``[train]`` table is not valid.
    """
    table = train_table(project)
    triggers = {subset.concept.trigger for subset in subsets if subset.concept.trigger}
    process: dict[str, Any] = {
        "type": "sd_trainer",
        "training_folder": str(project.output / "lora"),
        "device": "cuda:0",
        # One word for everything: only sensible if there is just one.
        **({"trigger_word": triggers.pop()} if len(triggers) == 1 else {}),
        "network": _network(table),
        "save": {"dtype": _dtype(table.save_precision), "save_every": max(1, steps // 10)},
        "datasets": [_dataset(project, subset, table, shuffle) for subset in subsets],
        "train": _train(table, steps),
        "model": _model(project, table),
        "sample": _sample(project, table, steps),
    }
    data = {
        "job": "extension",
        "config": {"name": project.name, "process": [process]},
        "meta": {"name": "[name]", "version": "1.0"},
    }
    head = "# Made by shikomi export. Inside ai-toolkit, run: python run.py THIS_FILE\n"
    return head + left_out(project, _carried(table)) + "---\n" + to_yaml(data)


def _network(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": "lora",
        "linear": table.rank,
        "linear_alpha": table.alpha,
    }
    if table.conv_rank:
        found |= {"conv": table.conv_rank, "conv_alpha": table.conv_alpha}
    return found


def _dataset(
    project: Project, subset: ExportSubset, table: TrainTable, shuffle: bool
) -> dict[str, Any]:
    concept = subset.concept
    found: dict[str, Any] = {
        "folder_path": subset.folder,
        "caption_ext": project.settings.captions.extension.lstrip("."),
        "num_repeats": concept.repeats,
        "resolution": [project.settings.project.resolution],
        "caption_dropout_rate": table.caption_dropout or 0.0,
        "token_dropout_rate": table.tag_dropout or 0.0,
        # Protected only from dropping: shuffling also moves them.
        "keep_tokens": len(captions.split(concept.trigger)),
        "shuffle_tokens": shuffle,
        "cache_latents_to_disk": True,
    }
    found |= {"is_reg": True} if concept.settings.regularization else {}
    found |= {"mask_path": subset.masks} if subset.masks else {}
    return found | ({"alpha_mask": True} if subset.alpha_mask else {})


def _train(table: TrainTable, steps: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "batch_size": table.batch_size,
        "steps": steps,
        "gradient_accumulation_steps": table.gradient_accumulation,
        "train_unet": True,
        "train_text_encoder": table.text_encoder_rate > 0,
        "gradient_checkpointing": table.gradient_checkpointing,
        "noise_scheduler": "ddpm",
        "optimizer": table.optimizer if table.optimizer in _OPTIMIZERS else "adamw",
        "optimizer_params": _optimizer_params(table),
        "lr": table.learning_rate,
        "lr_scheduler": table.scheduler if table.scheduler in _SCHEDULERS else "cosine",
        "max_grad_norm": table.max_grad_norm,
        "dtype": "fp16" if table.precision == "auto" else table.precision,
    }
    if table.text_encoder_rate:
        found["text_encoder_lr"] = table.text_encoder_rate
    optional = {"min_snr_gamma": table.min_snr_gamma, "noise_offset": table.noise_offset}
    return found | {key: value for key, value in optional.items() if value}


def _optimizer_params(table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {"weight_decay": table.weight_decay}
    found |= {"betas": list(table.betas)} if table.betas else {}
    found |= {"eps": table.eps} if table.eps else {}
    if table.optimizer in _OPTIMIZERS:
        found |= table.optimizer_args
    return found


def _carried(table: TrainTable) -> set[str]:
    """Return the settings that the configuration expresses."""
    found = set(_CARRIED)
    found |= {"optimizer", "optimizer_args"} if table.optimizer in _OPTIMIZERS else set()
    return found | ({"scheduler"} if table.scheduler in _SCHEDULERS else set())


def _model(project: Project, table: TrainTable) -> dict[str, Any]:
    found: dict[str, Any] = {"name_or_path": base_model(project, table)}
    found |= {"is_xl": True} if project.settings.project.family == "sdxl" else {}
    return found | ({"is_v_pred": True} if noise_kind(found["name_or_path"]).v_prediction else {})


def _sample(project: Project, table: TrainTable, steps: int) -> dict[str, Any]:
    side = project.settings.project.resolution
    prompts = [p.partition(" --")[0] for p in table.sample_prompts if not p.endswith(".txt")]
    return {
        "sampler": "ddpm",
        "sample_every": max(1, steps // 10),
        "width": side,
        "height": side,
        "prompts": prompts,
        "neg": "",
        "seed": table.seed,
        "walk_seed": True,
        "guidance_scale": table.sample_cfg,
        "sample_steps": table.sample_steps,
    }


def _dtype(precision: str) -> str:
    return {"fp16": "float16", "bf16": "bfloat16", "fp32": "float32"}.get(precision, precision)


def to_yaml(value: Any, indent: int = 0) -> str:
    """Return tables, lists and plain values as YAML, with strings quoted as in JSON.

    Example:
        >>> print(to_yaml({"a": [1, {"b": "x: y"}], "c": []}), end="")
        a:
          - 1
          - b: "x: y"
        c: []
    """
    space = " " * indent
    if isinstance(value, Mapping) and value:
        return "".join(f"{space}{key}:{_after(item, indent)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        return "".join(space + "- " + to_yaml(item, indent + 2).lstrip(" ") for item in value)
    return space + _scalar(value) + "\n"


def _after(item: Any, indent: int) -> str:
    nested = isinstance(item, Mapping | list | tuple) and bool(item)
    return "\n" + to_yaml(item, indent + 2) if nested else " " + to_yaml(item)


def _scalar(value: Any) -> str:
    if isinstance(value, float):
        # YAML 1.1 reads 1e-05 as a string.
        return f"{value:.10f}".rstrip("0").removesuffix(".") + (".0" if value == int(value) else "")
    return _UNSAFE.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(value, ensure_ascii=False))
