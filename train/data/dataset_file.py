"""The dataset file: sd-scripts' TOML, which ``shikomi export`` and many people write.

Keys are looked up in the subset, then its dataset, then ``[general]``, like in sd-scripts
(``library/config_util.py``). An unknown key is an error that names the nearest known one; a key
that sd-scripts knows and shikomi does not support is an error too, unless it has the value that
changes nothing. Nothing is ignored silently.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.captions.shuffle import CaptionRules
from prep.errors import ConfigError
from prep.images.buckets import Buckets, Fit, Size
from prep.texts import parse_toml, read_text
from train.data.dataset_keys import faults_of, resolution_of


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
        ConfigError: It is missing, no TOML, or has unknown or
            unsupported keys, or values that are out of range; all are named.
    """
    try:
        data = parse_toml(read_text(path))
    except FileNotFoundError as error:
        raise ConfigError(
            f"There is no dataset file {path}.", "Make one with: shikomi export"
        ) from error
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    faults = faults_of(data)
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    general = data.get("general", {})
    return tuple(_part(table, general, path.parent) for table in data["datasets"])


def _part(table: Mapping[str, Any], general: Mapping[str, Any], home: Path) -> DatasetPart:
    values = {**general, **{key: value for key, value in table.items() if key != "subsets"}}
    resolution = resolution_of(values["resolution"])
    buckets = None
    if values.get("enable_bucket", False):
        buckets = Buckets(
            resolution,
            values.get("bucket_reso_steps", 64),
            min(values.get("min_bucket_reso", 256), *resolution),
            max(values.get("max_bucket_reso", 1024), *resolution),
            values.get("bucket_no_upscale", False),
        )
    subsets = (_subset({**values, **subset}, home) for subset in table["subsets"])
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
