"""The keys of a dataset file: which values each may have, and which keys change nothing.

Names and meanings are those of sd-scripts (``library/config_util.py``); ``loss_weight`` is our own.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

MAX_SIDE = 16_384
"""Pixels of one side of a training image."""


@dataclass(frozen=True)
class Key:
    """The values of a key.

    Attributes:
        types: Their types; ``bool`` counts as a number only if it is named.
        least: Minimum of a number.
        most: Maximum of a number.
        empty: A text may be empty.
        choices: The texts that are possible; empty for any.
    """

    types: tuple[type, ...]
    least: float = -math.inf
    most: float = math.inf
    empty: bool = True
    choices: tuple[str, ...] = ()

    def fault(self, value: Any) -> str:
        """Return what is wrong with a value, an empty string for nothing."""
        if not isinstance(value, self.types) or (
            isinstance(value, bool) and bool not in self.types
        ):
            return f"has a value of the wrong type: {value!r}"
        if isinstance(value, str):
            return self._text_fault(value)
        if isinstance(value, int | float) and not self.least <= value <= self.most:
            return f"= {value!r} is out of range: {self._range()}"
        return ""

    def _text_fault(self, value: str) -> str:
        if self.choices and value not in self.choices:
            return f"= {value!r} is unknown: it may be {', '.join(self.choices)}"
        return "" if value or self.empty else "is empty: remove it, or give it a value"

    def _range(self) -> str:
        if math.isinf(self.most):
            return f"it must be at least {self.least:g}"
        return f"it must be from {self.least:g} to {self.most:g}"


KERNEL_NAMES = ("lanczos", "box", "nearest", "bilinear", "linear", "bicubic", "cubic", "area")
"""Those of ``prep.images.pixels.KERNELS``, which loads OpenCV."""
_SWITCH = Key((bool,))
_SHARE = Key((int, float), 0, 1)
_SIDE = Key((int,), 1, MAX_SIDE)
_TEXT, _NAME = Key((str,)), Key((str,), empty=False)

DATASET_KEYS: Mapping[str, Key] = {
    "batch_size": Key((int,), 1),
    "resolution": Key((int, list, str)),
    "enable_bucket": _SWITCH,
    "min_bucket_reso": _SIDE,
    "max_bucket_reso": _SIDE,
    "bucket_reso_steps": _SIDE,
    "bucket_no_upscale": _SWITCH,
    "validation_split": _SHARE,
    "validation_seed": Key((int,), 0),
}
SUBSET_KEYS: Mapping[str, Key] = {
    "image_dir": _NAME,
    "metadata_file": _NAME,
    "num_repeats": Key((int,), 1),
    "is_reg": _SWITCH,
    "class_tokens": _TEXT,
    "caption_extension": _NAME,
    "caption_separator": _NAME,
    "secondary_separator": _TEXT,
    "keep_tokens": Key((int,), 0),
    "keep_tokens_separator": _TEXT,
    "shuffle_caption": _SWITCH,
    "enable_wildcard": _SWITCH,
    "caption_prefix": _TEXT,
    "caption_suffix": _TEXT,
    "caption_dropout_rate": _SHARE,
    "caption_dropout_every_n_epochs": Key((int,), 0),
    "caption_tag_dropout_rate": _SHARE,
    "token_warmup_min": Key((int,), 0),
    "token_warmup_step": Key((int, float), 0),
    "flip_aug": _SWITCH,
    "random_crop": _SWITCH,
    "resize_interpolation": Key((str,), choices=KERNEL_NAMES),
    "alpha_mask": _SWITCH,
    "conditioning_data_dir": _NAME,
    "loss_weight": Key((int, float), 0, 100),
}
_HARMLESS: Mapping[str, tuple[Any, ...] | None] = {
    "cache_info": None,
    "network_multiplier": (1, 1.0),
    "color_aug": (False,),
    "face_crop_aug_range": (),
    "custom_attributes": ({},),
}
"""Known to sd-scripts, not supported here: the values that change nothing (None: any)."""
_INSTEAD = {
    "color_aug": "Images are encoded once, before training: make changed copies of them instead.",
    "face_crop_aug_range": "Images are encoded once, before training: crop the faces to images of"
    " their own instead (shikomi crop).",
    "network_multiplier": "Set alpha in the [train] table instead.",
    "custom_attributes": "No training method here reads them; loss_weight weighs the images of a"
    " subset.",
}


def faults_of(data: Mapping[str, Any]) -> list[str]:
    """Return a clause for each fault of a dataset file, with its place."""
    faults = _table_faults(data, "", {"general": Key((dict,)), "datasets": Key((list,))})
    if faults:
        return faults
    both = {**DATASET_KEYS, **SUBSET_KEYS}
    general = data.get("general", {})
    faults += _table_faults(general, "general.", both)
    tables = data.get("datasets", [])
    if not tables:
        faults.append("there is no [[datasets]] table")
    for index, table in enumerate(tables):
        place = f"datasets[{index}]"
        if not isinstance(table, dict):
            faults.append(f"{place} is not a table")
            continue
        inner = {key: value for key, value in table.items() if key != "subsets"}
        faults += _table_faults(inner, f"{place}.", both)
        if "resolution" not in table and "resolution" not in general:
            faults.append(f"{place}.resolution is missing")
        faults += _bucket_faults({**general, **table}, place)
        faults += _subset_faults(table.get("subsets"), f"{place}.subsets", general | inner)
    return faults


def _subset_faults(subsets: Any, place: str, outer: Mapping[str, Any]) -> list[str]:
    if not subsets:
        return [f"{place} is missing"]
    if not isinstance(subsets, list) or not all(isinstance(subset, dict) for subset in subsets):
        return [f"{place} is not a list of tables: begin each with [[datasets.subsets]]"]
    faults = []
    for number, subset in enumerate(subsets):
        faults += _table_faults(subset, f"{place}[{number}].", SUBSET_KEYS)
        values = {**outer, **subset}
        if "image_dir" not in values and "metadata_file" not in values:
            faults.append(f"{place}[{number}].image_dir is missing")
        if values.get("alpha_mask") is True and "conditioning_data_dir" in values:
            faults.append(
                f"{place}[{number}] has two masks for each image: leave alpha_mask or"
                " conditioning_data_dir out"
            )
    return faults


def _table_faults(table: Mapping[str, Any], place: str, known: Mapping[str, Key]) -> list[str]:
    faults = []
    for key, value in table.items():
        if key in known:
            if (fault := known[key].fault(value)) or (
                key == "resolution" and (fault := _resolution_fault(value))
            ):
                faults.append(f"{place}{key} {fault}")
        elif key in _HARMLESS:
            harmless = _HARMLESS[key]
            if harmless is not None and value not in harmless:
                hint = _INSTEAD.get(key, "Leave it out.")
                faults.append(f"{place}{key} = {value!r} is not supported. {hint}")
        elif key in DATASET_KEYS:
            faults.append(f"{place}{key} belongs into [[datasets]], not into a subset")
        else:
            near = get_close_matches(key, [*known, *_HARMLESS], 1, 0.5)
            faults.append(
                f"unknown key {place}{key}" + (f" (did you mean {near[0]}?)" if near else "")
            )
    return faults


def resolution_of(value: Any) -> tuple[int, int]:
    """Read 512, "512,768" or [512, 768] (width, height).

    Raises:
        ValueError: It is not a size.
    """
    parts = value.split(",") if isinstance(value, str) else value
    numbers = parts if isinstance(parts, list) else [parts]
    if any(isinstance(number, bool) or not isinstance(number, int | str) for number in numbers):
        raise ValueError(value)
    width, height = (int(number) for number in (numbers * 2 if len(numbers) == 1 else numbers))
    return width, height


def _resolution_fault(value: Any) -> str:
    try:
        size = resolution_of(value)
    except ValueError:
        return f"= {value!r} is not a size: write 512 or [512, 768]"
    return next((fault for side in size if (fault := _SIDE.fault(side))), "")


def _bucket_faults(values: Mapping[str, Any], place: str) -> list[str]:
    """Return what is wrong with sizes that are valid one by one."""
    step = values.get("bucket_reso_steps", 64)
    if values.get("enable_bucket") is not True or _SIDE.fault(step):
        return []
    try:
        shorter = min(resolution_of(values.get("resolution")))
    except ValueError:
        return []
    if 0 < shorter < step:
        return [
            f"{place}.bucket_reso_steps = {step} is larger than the resolution: no bucket fits;"
            " write 64 or less"
        ]
    return []
