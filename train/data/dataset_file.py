"""The dataset file: sd-scripts' TOML, which ``shikomi export`` and many people write.

Keys are looked up in the subset, then its dataset, then ``[general]``, like in sd-scripts
(``library/config_util.py``). An unknown key is an error that names the nearest known one; a key
that sd-scripts knows and shikomi does not support is an error too, unless it has the value that
changes nothing. Nothing is ignored silently.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prep.captions.shuffle import CaptionRules
from prep.errors import ConfigError
from prep.images.buckets import Buckets, Fit, Size
from prep.system.files import read_regular

_DATASET_KEYS: dict[str, type | tuple[type, ...]] = {
    "batch_size": int,
    "resolution": (int, list, str),
    "enable_bucket": bool,
    "min_bucket_reso": int,
    "max_bucket_reso": int,
    "bucket_reso_steps": int,
    "bucket_no_upscale": bool,
}
_SUBSET_KEYS: dict[str, type | tuple[type, ...]] = {
    "image_dir": str,
    "num_repeats": int,
    "is_reg": bool,
    "class_tokens": str,
    "caption_extension": str,
    "caption_separator": str,
    "keep_tokens": int,
    "keep_tokens_separator": str,
    "shuffle_caption": bool,
    "caption_prefix": str,
    "caption_suffix": str,
    "caption_dropout_rate": (int, float),
    "caption_tag_dropout_rate": (int, float),
    "flip_aug": bool,
}
_HARMLESS: dict[str, tuple[Any, ...] | None] = {
    "cache_info": (True, False),
    "network_multiplier": (1, 1.0),
    "validation_split": (0, 0.0),
    "validation_seed": None,
    "resize_interpolation": (),
    "secondary_separator": ("",),
    "enable_wildcard": (False,),
    "caption_dropout_every_n_epochs": (0,),
    "token_warmup_min": (1,),
    "token_warmup_step": (0, 0.0),
    "color_aug": (False,),
    "random_crop": (False,),
    "face_crop_aug_range": (),
    "alpha_mask": (False,),
    "custom_attributes": ({},),
    "metadata_file": (),
    "conditioning_data_dir": (),
}
"""Known to sd-scripts, not supported here: the values that change nothing (None: any)."""
_INSTEAD = {
    "validation_split": "Use validation_fraction in the [train] table.",
    "color_aug": "Make changed copies of the images instead.",
    "random_crop": "Cut the images by hand, or leave it out.",
}


@dataclass(frozen=True)
class Subset:
    """One folder of images and how it is used."""

    folder: Path
    repeats: int = 1
    regularization: bool = False
    class_tokens: str = ""
    caption_extension: str = ".caption"
    flip: bool = False
    captions: CaptionRules = field(default_factory=CaptionRules)


@dataclass(frozen=True)
class DatasetPart:
    """One ``[[datasets]]`` table: one resolution, some subsets."""

    resolution: Size
    buckets: Buckets | None
    batch_size: int | None
    subsets: tuple[Subset, ...]

    def fit(self, size: Size) -> Fit:
        """Place an image of ``size`` in its bucket; without buckets there is just one."""
        return self.buckets.fit(size) if self.buckets else _single_fit(size, self.resolution)


def read_dataset_file(path: Path) -> tuple[DatasetPart, ...]:
    """Read a dataset file.

    Raises:
        ConfigError: It is missing, no TOML, or has unknown or unsupported keys; all are named.
    """
    try:
        data = tomllib.loads(read_regular(path).decode("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no dataset file {path}.", "Make one with: shikomi export"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    faults = _faults(data)
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    general = data.get("general", {})
    return tuple(_part(table, general, path) for table in data["datasets"])


def _faults(data: Mapping[str, Any]) -> list[str]:
    """Return a clause for each fault of the file."""
    faults = _table_faults(data, "", {"general": dict, "datasets": list})
    if faults:
        return faults
    both = {**_DATASET_KEYS, **_SUBSET_KEYS}
    faults += _table_faults(data.get("general", {}), "general.", both)
    tables = data.get("datasets", [])
    if not tables:
        faults.append("there is no [[datasets]] table")
    for index, table in enumerate(tables):
        place = f"datasets[{index}]."
        inner = {key: value for key, value in table.items() if key != "subsets"}
        faults += _table_faults(inner, place, both)
        if "resolution" not in table and "resolution" not in data.get("general", {}):
            faults.append(f"{place}resolution is missing")
        if not table.get("subsets"):
            faults.append(f"{place}subsets is missing")
        for number, subset in enumerate(table.get("subsets", [])):
            faults += _table_faults(subset, f"{place}subsets[{number}].", _SUBSET_KEYS)
            if "image_dir" not in subset:
                faults.append(f"{place}subsets[{number}].image_dir is missing")
    return faults


def _table_faults(
    table: Mapping[str, Any], place: str, known: Mapping[str, type | tuple[type, ...]]
) -> list[str]:
    faults = []
    for key, value in table.items():
        if key in known:
            if not isinstance(value, known[key]) or (known[key] is int and value is True):
                faults.append(f"{place}{key} has a value of the wrong type: {value!r}")
        elif key in _HARMLESS:
            harmless = _HARMLESS[key]
            if harmless is not None and value not in harmless:
                hint = _INSTEAD.get(key, "Leave it out.")
                faults.append(f"{place}{key} = {value!r} is not supported. {hint}")
        else:
            near = get_close_matches(key, [*known, *_HARMLESS], 1, 0.5)
            faults.append(
                f"unknown key {place}{key}" + (f" (did you mean {near[0]}?)" if near else "")
            )
    return faults


def _part(table: Mapping[str, Any], general: Mapping[str, Any], path: Path) -> DatasetPart:
    values = {**general, **{key: value for key, value in table.items() if key != "subsets"}}
    resolution = _resolution(values["resolution"], path)
    buckets = None
    if values.get("enable_bucket", False):
        buckets = Buckets(
            resolution,
            values.get("bucket_reso_steps", 64),
            min(values.get("min_bucket_reso", 256), *resolution),
            max(values.get("max_bucket_reso", 1024), *resolution),
            values.get("bucket_no_upscale", False),
        )
    subsets = (_subset({**values, **subset}, path.parent) for subset in table["subsets"])
    return DatasetPart(resolution, buckets, values.get("batch_size"), tuple(subsets))


def _subset(values: Mapping[str, Any], home: Path) -> Subset:
    extension = str(values.get("caption_extension", ".caption"))
    rules = CaptionRules(
        shuffle=values.get("shuffle_caption", False),
        keep_tokens=values.get("keep_tokens", 0),
        keep_separator=values.get("keep_tokens_separator", ""),
        separator=values.get("caption_separator", ","),
        prefix=values.get("caption_prefix", ""),
        suffix=values.get("caption_suffix", ""),
        dropout=float(values.get("caption_dropout_rate", 0.0)),
        tag_dropout=float(values.get("caption_tag_dropout_rate", 0.0)),
    )
    return Subset(
        (home / Path(values["image_dir"]).expanduser()).resolve(),
        values.get("num_repeats", 1),
        values.get("is_reg", False),
        values.get("class_tokens", ""),
        extension if extension.startswith(".") else f".{extension}",
        values.get("flip_aug", False),
        rules,
    )


def _resolution(value: Any, path: Path) -> Size:
    """Read 512, "512,768" or [512, 768] (width, height)."""
    parts = value.split(",") if isinstance(value, str) else value
    numbers = [parts, parts] if isinstance(parts, int) else list(parts)
    try:
        width, height = (int(number) for number in (numbers * 2 if len(numbers) == 1 else numbers))
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"{path}: resolution = {value!r} is not a size.", "Write 512 or [512, 768]."
        ) from error
    return width, height


def _single_fit(size: Size, bucket: Size) -> Fit:
    """Cover ``bucket`` and cut the rest off evenly."""
    width, height = size
    if width / height > bucket[0] / bucket[1]:
        scale = bucket[1] / height
    else:
        scale = bucket[0] / width
    resized = (int(width * scale + 0.5), int(height * scale + 0.5))
    left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
    return Fit(bucket, resized, left, top, scale)
