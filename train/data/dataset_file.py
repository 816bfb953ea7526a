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
from prep.system.names import with_home
from prep.texts import parse_toml, read_text
from train.data.dataset_keys import faults_of, resolution_of


@dataclass(frozen=True)
class Subset:
    """One folder of images and how it is used.

    Attributes:
        folder: Where its images are; what a metadata file names is relative to it.
        repeats: Exposures of each image per epoch.
        regularization: Its images belong to the class, not to the subject.
        class_tokens: The caption of images that have none.
        caption_extension: With its full stop.
        flip: Images are mirrored in half of their exposures.
        captions: How they change from epoch to epoch.
        masks: Folder of masks with the names of the images.
        alpha_mask: The alpha channel of an image is its mask.
        metadata: File that lists the images and their captions.
        random_crop: What exceeds the bucket is cut off at random, not evenly.
        kernel: What images are scaled with, from ``prep.images.pixels.KERNELS``; empty for the
            usual ones.
        weight: Factor of the loss.
    """

    folder: Path
    repeats: int = 1
    regularization: bool = False
    class_tokens: str = ""
    caption_extension: str = ".caption"
    flip: bool = False
    captions: CaptionRules = field(default_factory=CaptionRules)
    masks: Path | None = None
    alpha_mask: bool = False
    metadata: Path | None = None
    random_crop: bool = False
    kernel: str = ""
    weight: float = 1.0


@dataclass(frozen=True)
class DatasetPart:
    """One ``[[datasets]]`` table: one resolution, some subsets.

    Attributes:
        resolution: Width and height whose area no bucket exceeds.
        buckets: ``None`` where all images get the resolution.
        batch_size: What the file says; the settings of the run decide.
        subsets: At least one.
        validation: Share of its pictures that is held out; ``None`` leaves it to the settings.
        validation_seed: Of the choice; ``None`` for that of the run.
    """

    resolution: Size
    buckets: Buckets | None
    batch_size: int | None
    subsets: tuple[Subset, ...]
    validation: float | None = None
    validation_seed: int | None = None

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
    return DatasetPart(
        resolution,
        buckets,
        values.get("batch_size"),
        tuple(subsets),
        values.get("validation_split"),
        values.get("validation_seed"),
    )


def _subset(values: Mapping[str, Any], home: Path) -> Subset:
    extension = str(values.get("caption_extension", ".caption"))
    metadata = _path(values.get("metadata_file"), home)
    folder = _path(values.get("image_dir"), home) or (metadata or home).parent
    return Subset(
        folder,
        values.get("num_repeats", 1),
        values.get("is_reg", False),
        values.get("class_tokens", ""),
        extension if extension.startswith(".") else f".{extension}",
        values.get("flip_aug", False),
        _caption_rules(values),
        _path(values.get("conditioning_data_dir"), home),
        values.get("alpha_mask", False),
        metadata,
        values.get("random_crop", False),
        values.get("resize_interpolation", ""),
        float(values.get("loss_weight", 1.0)),
    )


def _path(text: str | None, home: Path) -> Path | None:
    return (home / with_home(text)).resolve() if text else None


def _caption_rules(values: Mapping[str, Any]) -> CaptionRules:
    return CaptionRules(
        shuffle=values.get("shuffle_caption", False),
        keep_tokens=values.get("keep_tokens", 0),
        keep_separator=values.get("keep_tokens_separator", ""),
        separator=values.get("caption_separator", ","),
        prefix=values.get("caption_prefix", ""),
        suffix=values.get("caption_suffix", ""),
        dropout=float(values.get("caption_dropout_rate", 0.0)),
        tag_dropout=float(values.get("caption_tag_dropout_rate", 0.0)),
        wildcards=values.get("enable_wildcard", False),
        group_separator=values.get("secondary_separator", ""),
        drop_every=values.get("caption_dropout_every_n_epochs", 0),
        warmup_least=values.get("token_warmup_min", 1),
        warmup_steps=float(values.get("token_warmup_step", 0)),
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
