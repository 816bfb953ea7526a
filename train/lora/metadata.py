"""What a saved file says about itself: kohya's ``ss_*`` keys and the ``modelspec.*`` keys.

Other programs read these: A1111's cards, ComfyUI's managers, Civitai. All values are text; None
is "None", booleans are "True" and "False", lists and tables are JSON (sd-scripts
``train_network.py``, ``library/sai_model_spec.py``).
"""

import datetime
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep import __version__
from prep.captions.shuffle import plain
from train.config import RunConfig, TrainSettings
from train.data.dataset import Dataset, Schedule, TrainImage

IMPLEMENTATIONS = {
    "sd15": "diffusers",
    "sdxl": "https://github.com/Stability-AI/generative-models",
}
"""Whose names the modules of a LoRA have; those of checkpoints are Stability's."""


@dataclass(frozen=True)
class Facts:
    """What the settings do not say.

    Attributes:
        prediction: epsilon or v_prediction.
        zero_terminal_snr: The base model's noise schedule ends in pure noise.
        precision: bf16, fp16 or fp32, as chosen.
        base_hash: SHA-256 of the base model's UNet file, or an empty text.
        base_legacy_hash: kohya's short hash of the same file, or an empty text.
        base_version: Family of the base model, in kohya's words.
        architecture: The same, in the words of the metadata standard.
        started: Unix time of the first start, seconds.
        held_out: Images of the validation.
        optimizer: Class and arguments of the optimiser, in kohya's form.
    """

    prediction: str
    zero_terminal_snr: bool
    precision: str
    base_hash: str
    base_legacy_hash: str
    base_version: str
    architecture: str
    started: float
    held_out: int
    optimizer: str = ""


def build(
    run: RunConfig, data: Dataset, schedule: Schedule, facts: Facts, step: int, finished: float
) -> dict[str, str]:
    """Return the metadata of a file saved after ``step`` steps; hashes are added on saving."""
    values = {
        **_run(run, schedule, facts, step, finished),
        **_data(data, schedule, facts),
        **_optimiser(run, schedule, facts),
        **(_network(run) if run.train.method == "lora" else {}),
        **_model(run, facts),
        **_loss(run, data, facts),
    }
    texts = {f"ss_{key}": _text(value) for key, value in values.items()}
    return {**texts, **_modelspec(run, data, facts, finished)}


def _text(value: Any) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _run(
    run: RunConfig, schedule: Schedule, facts: Facts, step: int, finished: float
) -> dict[str, Any]:
    seed = run.train.seed
    return {
        "session_id": int(facts.started) ^ seed,
        "training_started_at": facts.started,
        "training_finished_at": finished,
        "output_name": run.name,
        "training_comment": "shikomi",
        "seed": seed,
        "steps": step,
        "max_train_steps": schedule.steps,
        "epoch": -(-step // schedule.steps_per_epoch),
        "num_epochs": schedule.epoch_of(max(0, schedule.steps - 1)) + 1,
    }


def _data(data: Dataset, schedule: Schedule, facts: Facts) -> dict[str, Any]:
    train = [image for image in schedule.images if not image.regularization]
    regular = [image for image in schedule.images if image.regularization]
    return {
        "num_train_images": sum(image.repeats for image in train),
        "num_validation_images": facts.held_out,
        "num_reg_images": sum(image.repeats for image in regular),
        "num_batches_per_epoch": schedule.batches_per_epoch,
        "tag_frequency": tag_frequency(schedule.images),
        "dataset_dirs": _folders(train),
        "reg_dataset_dirs": _folders(regular),
        "bucket_info": bucket_info(schedule.images),
        "datasets": [_dataset(data, schedule, number) for number in range(len(data.parts))],
        "total_batch_size": schedule.settings.batch_size * schedule.window,
        "batch_size_per_device": schedule.settings.batch_size,
        "resolution": str(data.parts[0].resolution),
        **_first_subset(data),
    }


def _first_subset(data: Dataset) -> dict[str, Any]:
    """Return what older readers expect once per file, of the first dataset and subset."""
    part = data.parts[0]
    subset, buckets = part.subsets[0], part.buckets
    return {
        "enable_bucket": buckets is not None,
        "bucket_no_upscale": buckets.no_upscale if buckets else None,
        "min_bucket_reso": buckets.minimum if buckets else None,
        "max_bucket_reso": buckets.maximum if buckets else None,
        "shuffle_caption": subset.captions.shuffle,
        "keep_tokens": subset.captions.keep_tokens,
        "flip_aug": subset.flip,
        "color_aug": False,
        "random_crop": subset.random_crop,
        "resize_interpolation": subset.kernel or None,
        "face_crop_aug_range": None,
    }


def _dataset(data: Dataset, schedule: Schedule, number: int) -> dict[str, Any]:
    part = data.parts[number]
    images = [image for image in schedule.images if image.part == number]
    buckets = part.buckets
    return {
        "is_dreambooth": True,
        "batch_size_per_device": schedule.settings.batch_size,
        "num_train_images": sum(i.repeats for i in images if not i.regularization),
        "num_reg_images": sum(i.repeats for i in images if i.regularization),
        "resolution": list(part.resolution),
        "enable_bucket": buckets is not None,
        "min_bucket_reso": buckets.minimum if buckets else None,
        "max_bucket_reso": buckets.maximum if buckets else None,
        "bucket_no_upscale": buckets.no_upscale if buckets else None,
        "tag_frequency": tag_frequency(images),
        "bucket_info": bucket_info(images),
        "subsets": [
            {
                "image_dir": subset.folder.name,
                "img_count": sum(i.path.parent == subset.folder for i in images),
                "num_repeats": subset.repeats,
                "class_tokens": subset.class_tokens or None,
                "is_reg": subset.regularization,
                "shuffle_caption": subset.captions.shuffle,
                "keep_tokens": subset.captions.keep_tokens,
                "secondary_separator": subset.captions.group_separator or None,
                "enable_wildcard": subset.captions.wildcards,
                "flip_aug": subset.flip,
                "color_aug": False,
                "random_crop": subset.random_crop,
            }
            for subset in part.subsets
        ],
    }


def tag_frequency(images: tuple[TrainImage, ...] | list[TrainImage]) -> dict[str, dict[str, int]]:
    """Count tags by folder: comma split, stripped, lower case, like sd-scripts."""
    found: dict[str, Counter[str]] = {}
    for image in images:
        tags = (tag.strip().lower() for tag in plain(image.caption, image.rules).split(","))
        found.setdefault(image.folder, Counter()).update(tag for tag in tags if tag)
    return {folder: dict(counts.most_common()) for folder, counts in found.items()}


def bucket_info(images: tuple[TrainImage, ...] | list[TrainImage]) -> dict[str, Any]:
    """Count exposures by bucket, and the mean difference in aspect ratio."""
    counts: Counter[tuple[int, int]] = Counter()
    errors = []
    for image in images:
        counts[image.fit.bucket] += image.repeats
        bucket = image.fit.bucket
        errors.append(abs(bucket[0] / bucket[1] - image.size[0] / image.size[1]))
    buckets = {
        str(index): {"resolution": list(size), "count": count}
        for index, (size, count) in enumerate(sorted(counts.items()))
    }
    return {"buckets": buckets, "mean_img_ar_error": sum(errors) / max(1, len(errors))}


def _folders(images: list[TrainImage]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for image in images:
        entry = found.setdefault(image.folder, {"n_repeats": image.repeats, "img_count": 0})
        entry["img_count"] += 1
    return found


def _text_rates(rates: list[float]) -> Any:
    """Return the text encoders' learning rates: kohya writes a list for two encoders."""
    if not any(rates):
        return None
    return rates if len(rates) > 1 else rates[0]


def _optimiser(run: RunConfig, schedule: Schedule, facts: Facts) -> dict[str, Any]:
    train = run.train
    rates = train.rates(run.family)
    return {
        "learning_rate": train.learning_rate,
        "unet_lr": rates.pop("unet"),
        "text_encoder_lr": _text_rates(list(rates.values())),
        "lr_scheduler": train.scheduler,
        "lr_warmup_steps": train.warmup(schedule.steps),
        "optimizer": facts.optimizer,
        "max_grad_norm": train.max_grad_norm,
        "gradient_checkpointing": train.gradient_checkpointing,
        "gradient_accumulation_steps": train.gradient_accumulation,
        "lowram": False,
    }


def _network(run: RunConfig) -> dict[str, Any]:
    train = run.train
    extra: dict[str, Any] = {}
    if train.network != "lora":
        extra["algo"] = "lora" if train.network == "dora" else train.network
    if train.network == "dora":
        extra |= {"dora_wd": "True", "wd_on_output": str(train.dora_axis == "output")}
    if train.network == "lokr":
        extra["factor"] = str(train.lokr_factor)
    if train.conv_rank:
        extra |= {"conv_dim": str(train.conv_rank), "conv_alpha": str(train.conv_alpha)}
    drops = {"rank_dropout": train.rank_dropout, "module_dropout": train.module_dropout}
    extra |= {name: str(share) for name, share in drops.items() if share}
    if train.lora_plus_ratio > 1.0:
        extra["loraplus_lr_ratio"] = str(train.lora_plus_ratio)
    return {
        "network_module": "networks.lora" if train.network == "lora" else "lycoris.kohya",
        "network_dim": train.rank,
        "network_alpha": train.alpha,
        "network_dropout": train.dropout or None,
        "network_args": extra,
        "scale_weight_norms": train.max_norm or None,
    }


def _model(run: RunConfig, facts: Facts) -> dict[str, Any]:
    return {
        "v2": False,
        "base_model_version": facts.base_version,
        "sd_model_name": run.base.name,
        "sd_model_hash": facts.base_legacy_hash or None,
        "new_sd_model_hash": facts.base_hash or None,
        "vae_name": None,
        "clip_skip": run.train.clip_skip,
        "max_token_length": run.train.max_token_length,
        "mixed_precision": "no" if facts.precision == "fp32" else facts.precision,
        "full_fp16": False,
        "fp8_base": False,
        "fp8_base_unet": False,
        "vae_hash": None,
        "new_vae_hash": None,
        "cache_latents": True,
    }


def _loss(run: RunConfig, data: Dataset, facts: Facts) -> dict[str, Any]:
    train, rules = run.train, data.parts[0].subsets[0].captions
    return {
        **_noise(run.train),
        "zero_terminal_snr": facts.zero_terminal_snr,
        "min_snr_gamma": train.min_snr_gamma or None,
        "debiased_estimation": train.debiased_estimation_loss,
        "prior_loss_weight": train.prior_loss_weight,
        "loss_type": train.loss_type,
        "huber_schedule": train.huber_schedule if train.loss_type != "l2" else None,
        "huber_scale": train.huber_scale if train.loss_type != "l2" else None,
        "huber_c": train.huber_c if train.loss_type != "l2" else None,
        "caption_dropout_rate": _chosen(train.caption_dropout, rules.dropout),
        "caption_dropout_every_n_epochs": rules.drop_every,
        "caption_tag_dropout_rate": _chosen(train.tag_dropout, rules.tag_dropout),
        "validation_split": _chosen(data.parts[0].validation, train.validation_fraction),
        "validation_seed": _chosen(data.parts[0].validation_seed, train.seed),
        "validate_every_n_epochs": train.validate_every_epochs,
        "validate_every_n_steps": None,
        "max_validation_steps": None,
    }


def _noise(train: TrainSettings) -> dict[str, Any]:
    pyramid = train.multires_noise_iterations
    return {
        "noise_offset": train.noise_offset or None,
        "noise_offset_random_strength": train.noise_offset_random_strength,
        "adaptive_noise_scale": train.adaptive_noise_scale or None,
        "multires_noise_iterations": pyramid or None,
        "multires_noise_discount": train.multires_noise_discount if pyramid else None,
        "ip_noise_gamma": train.ip_noise_gamma or None,
        "ip_noise_gamma_random_strength": train.ip_noise_gamma_random_strength,
    }


def _chosen(setting: float | None, of_dataset: float) -> float:
    return of_dataset if setting is None else setting


def _modelspec(run: RunConfig, data: Dataset, facts: Facts, finished: float) -> Mapping[str, str]:
    width, height = data.parts[0].resolution
    when = datetime.datetime.fromtimestamp(int(finished), datetime.UTC)
    words = {s.class_tokens for part in data.parts for s in part.subsets if not s.regularization}
    full = run.train.method == "full"
    values = {
        "sai_model_spec": "1.0.1",
        "architecture": facts.architecture + ("" if full else "/lora"),
        "implementation": IMPLEMENTATIONS["sdxl" if full else run.family],
        "implementation_version": f"shikomi/{__version__}",
        "title": run.name,
        "resolution": f"{width}x{height}",
        "date": when.isoformat().replace("+00:00", "Z"),
        "prediction_type": "v" if facts.prediction == "v_prediction" else "epsilon",
        "trigger_phrase": ", ".join(sorted(filter(None, words))),
        "encoder_layer": str(run.train.clip_skip),
    }
    return {f"modelspec.{key}": value for key, value in values.items() if value}
