"""What becomes of each argument of sd-scripts: the table.

Source: ``train_network.py``, ``sdxl_train_network.py`` and the ``add_*_arguments`` of ``library/``
and of ``networks/``. Defaults are those of sd-scripts: what a file leaves out acts there, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from train.kohya.values import Kind

_OFF: tuple[Any, ...] = (False, 0)


@dataclass(frozen=True)
class Maps:
    """One setting does the same.

    Attributes:
        setting: Its name in ``[train]``.
        kind: Of the value.
        default: What sd-scripts does without the argument, as a value of the setting; ``None``
            leaves the setting as it is.
        values: Values that are called otherwise here.
    """

    setting: str
    kind: Kind = "number"
    default: Any = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Harmless:
    """It changes nothing about what is learned here; ``why`` says so."""

    why: str
    secret: bool = False


@dataclass(frozen=True)
class Differs:
    """Its effect is another one here, unless it has one of the values in ``off``."""

    why: str
    off: tuple[Any, ...] = _OFF
    kind: Kind = "text"


@dataclass(frozen=True)
class Refused:
    """It cannot be trained here, unless it has one of the values in ``off``."""

    why: str
    off: tuple[Any, ...] = _OFF
    kind: Kind = "text"


@dataclass(frozen=True)
class OfDataset:
    """A key of the dataset file, which has the same name."""

    kind: Kind
    usual: Any
    """The value that changes nothing."""


@dataclass(frozen=True)
class Together:
    """Looked at together with others, in ``network``, ``optimizer`` or ``translation``."""

    kind: Kind = "text"


Rule = Maps | Harmless | Differs | Refused | OfDataset | Together

_LOG = Harmless(
    "about logs: shikomi keeps its own; tensorboard = true writes TensorBoard's as well"
)
_METADATA = Harmless("written into the file only; shikomi writes its own metadata")
_UPLOAD = Harmless("uploads nothing here: shikomi push does")
_CACHE = Harmless("latents and text states are always cached")
_SPEED = Harmless("about speed only; shikomi chooses for itself")
_LOADER = Harmless("about reading images only; shikomi chooses for itself")
_LAUNCH = Harmless("about starting processes: see devices in [train]")
_STATE = Harmless("a state to resume from is always saved with the LoRA")
_KEPT = Harmless("all saved files are kept")
_FAMILY = Refused("is for models of other families", (False, 0, "no", "none"))
_ROUNDING = "the LoRA itself is kept in fp32 here: the result is more exact, and takes more memory"

_MODEL: dict[str, Rule] = {
    "pretrained_model_name_or_path": Together(),
    "vae": Together(),
    "v2": Refused("is for SD 2, which is not trained here", kind="switch"),
    "v_parameterization": Maps("prediction", "switch", values={"True": "v_prediction"}),
    "zero_terminal_snr": Maps("zero_terminal_snr", "switch"),
    "mixed_precision": Maps("precision", "text", "fp32", {"no": "fp32"}),
    "full_bf16": Differs(_ROUNDING, kind="switch"),
    "full_fp16": Differs(_ROUNDING, kind="switch"),
    "fp8_base": Differs("the base model stays in the precision of the run here", kind="switch"),
    "fp8_base_unet": _FAMILY,
    "no_half_vae": Harmless("VAEs always compute in fp32"),
    "gradient_checkpointing": Maps("gradient_checkpointing", "switch", default=False),
    "num_processes": Maps("devices", "whole"),
    "tokenizer_cache_dir": Harmless("the tokenizer comes with shikomi"),
    "base_weights": Refused("merges LoRAs into the base model first: give the merged model"),
    "base_weights_multiplier": Harmless("acts with base_weights only"),
    **dict.fromkeys(("cpu_offload_checkpointing", "blocks_to_swap"), _FAMILY),
}
_NETWORK: dict[str, Rule] = {
    **dict.fromkeys(("network_dim",), Together("whole")),
    **dict.fromkeys(("network_alpha", "network_dropout"), Together("number")),
    **dict.fromkeys(("network_module", "network_weights", "lora_type"), Together()),
    **dict.fromkeys(
        ("network_train_unet_only", "network_train_text_encoder_only", "dim_from_weights"),
        Together("switch"),
    ),
    "scale_weight_norms": Maps("max_norm", default=0.0),
}
_OPTIMIZER: dict[str, Rule] = {
    **dict.fromkeys(("learning_rate", "unet_lr"), Together("number")),
    "text_encoder_lr": Together("numbers"),
    "optimizer_type": Together(),
    **dict.fromkeys(("use_8bit_adam", "use_lion_optimizer"), Together("switch")),
    "max_grad_norm": Maps("max_grad_norm", default=1.0),
    **dict.fromkeys(("lr_scheduler", "lr_scheduler_type"), Together()),
    **dict.fromkeys(
        ("lr_warmup_steps", "lr_decay_steps", "lr_scheduler_power"), Together("number")
    ),
    "lr_scheduler_num_cycles": Together("whole"),
    "lr_scheduler_min_lr_ratio": Together("number"),
    "lr_scheduler_timescale": Harmless("acts with inverse_sqrt only"),
    "fused_backward_pass": Harmless("saves memory only"),
    "stop_text_encoder_training": Harmless(
        "train_network.py does not have it, and kohya_ss leaves it out: text encoders are trained"
        " to the end"
    ),
}
_COURSE: dict[str, Rule] = {
    "train_batch_size": Maps("batch_size", "whole", 1),
    "gradient_accumulation_steps": Maps("gradient_accumulation", "whole", 1),
    **dict.fromkeys(("max_train_epochs", "max_train_steps", "seed"), Together("whole")),
    "save_every_n_epochs": Maps("save_every_epochs", "whole", 0),
    "save_every_n_steps": Maps("save_every_steps", "whole", 0),
    "save_n_epoch_ratio": Differs("set save_every_epochs instead"),
    "save_precision": Maps("save_precision", "text", "fp32", {"float": "fp32"}),
    "save_model_as": Differs("files are always written as safetensors", ("safetensors",)),
    "use_safetensors": Harmless("files are always written as safetensors"),
    "resume": Refused("names a state of sd-scripts: start from its LoRA, with start_from"),
    **dict.fromkeys(("skip_until_initial_step",), Differs("resume goes on exactly here")),
    **dict.fromkeys(("initial_epoch", "initial_step"), Refused("starts in the middle of a run")),
    **dict.fromkeys(("save_state", "save_state_on_train_end"), _STATE),
    **dict.fromkeys(
        (f"save_last_n_{unit}{what}" for unit in ("epochs", "steps") for what in ("", "_state")),
        _KEPT,
    ),
    "validation_split": Maps("validation_fraction", default=0.0),
    "validate_every_n_epochs": Maps("validate_every_epochs", "whole"),
    "validate_every_n_steps": Differs("validation is by epochs: set validate_every_epochs"),
    "max_validation_steps": Differs("all images that are held out are measured"),
    "validation_seed": Differs("seed decides which images are held out, and keeps copies together"),
}
_OBJECTIVE: dict[str, Rule] = {
    "min_snr_gamma": Maps("min_snr_gamma", default=0.0),
    "debiased_estimation_loss": Together("switch"),
    "scale_v_pred_loss_like_noise_pred": Maps(
        "scale_v_pred_loss_like_noise_pred", "switch", default=False
    ),
    "v_pred_like_loss": Maps("v_pred_like_loss", default=0.0),
    "loss_type": Maps("loss_type", "text", "l2"),
    "huber_schedule": Maps("huber_schedule", "text", "snr"),
    "huber_c": Maps("huber_c", default=0.1),
    "huber_scale": Maps("huber_scale", default=1.0),
    "noise_offset": Maps("noise_offset", default=0.0),
    "noise_offset_random_strength": Maps("noise_offset_random_strength", "switch", default=False),
    "adaptive_noise_scale": Maps("adaptive_noise_scale", default=0.0),
    "multires_noise_iterations": Maps("multires_noise_iterations", "whole", 0),
    "multires_noise_discount": Maps("multires_noise_discount", default=0.3),
    "ip_noise_gamma": Maps("ip_noise_gamma", default=0.0),
    "ip_noise_gamma_random_strength": Maps(
        "ip_noise_gamma_random_strength", "switch", default=False
    ),
    "min_timestep": Maps("min_timestep", "whole", 0),
    "max_timestep": Maps("max_timestep", "whole", 1000),
    "prior_loss_weight": Maps("prior_loss_weight", default=1.0),
    "masked_loss": Maps("masked_loss", "switch"),
}
_CAPTIONS: dict[str, Rule] = {
    "shuffle_caption": Maps("shuffle_caption", "switch"),
    "keep_tokens": Maps("keep_tokens", "whole"),
    "caption_dropout_rate": Maps("caption_dropout"),
    "caption_tag_dropout_rate": Maps("tag_dropout"),
    "clip_skip": Maps("clip_skip", "whole", 1),
    "max_token_length": Together("whole"),
    "weighted_captions": Refused("captions are plain text here: (tag:1.2) is no weight"),
    "no_token_padding": Differs("prompts are always padded to 75 tokens"),
    "caption_extension": OfDataset("text", ".caption"),
    "caption_separator": OfDataset("text", ","),
    "secondary_separator": OfDataset("text", ""),
    "keep_tokens_separator": OfDataset("text", ""),
    "enable_wildcard": OfDataset("switch", False),
    "caption_prefix": OfDataset("text", ""),
    "caption_suffix": OfDataset("text", ""),
    "caption_dropout_every_n_epochs": OfDataset("whole", 0),
    "token_warmup_min": OfDataset("whole", 1),
    "token_warmup_step": OfDataset("number", 0),
}
_IMAGES: dict[str, Rule] = {
    **dict.fromkeys(("train_data_dir", "reg_data_dir", "dataset_config", "in_json"), Together()),
    "resolution": OfDataset("size", None),
    "num_repeats": OfDataset("whole", 1),
    "enable_bucket": OfDataset("switch", False),
    "min_bucket_reso": OfDataset("whole", 256),
    "max_bucket_reso": OfDataset("whole", 1024),
    "bucket_reso_steps": OfDataset("whole", 64),
    "bucket_no_upscale": OfDataset("switch", False),
    "flip_aug": OfDataset("switch", False),
    "color_aug": OfDataset("switch", False),
    "random_crop": OfDataset("switch", False),
    "face_crop_aug_range": OfDataset("text", None),
    "alpha_mask": OfDataset("switch", False),
    "conditioning_data_dir": OfDataset("text", None),
    "resize_interpolation": OfDataset("text", None),
    "dataset_repeats": Together("whole"),
    "dataset_class": Refused("is code of its own"),
    "target_steps": Harmless("follows from images, repeats and epochs"),
    "debug_dataset": Harmless("shows images only: see shikomi preview"),
}
_SAMPLES: dict[str, Rule] = {
    **dict.fromkeys(("sample_prompts", "sample_sampler"), Together()),
    **dict.fromkeys(("sample_every_n_epochs", "sample_every_n_steps"), Together("whole")),
    "sample_at_first": Maps("sample_at_start", "switch", default=False),
}
_REST: dict[str, Rule] = {
    "output_name": Harmless("the name of the project names the files"),
    "output_dir": Harmless("files go to output/lora of the project"),
    "log_with": Together(),
    **dict.fromkeys(("logging_dir", "log_prefix", "log_tracker_name", "log_tracker_config"), _LOG),
    **dict.fromkeys(("log_config", "wandb_run_name", "console_log_level"), _LOG),
    **dict.fromkeys(("console_log_file", "console_log_simple"), _LOG),
    "wandb_api_key": Harmless(_LOG.why, secret=True),
    "huggingface_token": Harmless(_UPLOAD.why, secret=True),
    **dict.fromkeys(
        (f"huggingface_{what}" for what in ("repo_id", "repo_type", "path_in_repo")), _UPLOAD
    ),
    **dict.fromkeys(
        ("huggingface_repo_visibility", "save_state_to_huggingface", "async_upload"), _UPLOAD
    ),
    "resume_from_huggingface": Refused("names a state of sd-scripts"),
    **dict.fromkeys(
        (
            *("metadata_title", "metadata_author", "metadata_description", "metadata_license"),
            *("metadata_tags", "metadata_usage_hint", "metadata_thumbnail", "metadata_merged_from"),
            *("metadata_trigger_phrase", "metadata_preprocessor", "training_comment"),
            *("metadata_is_negative_embedding", "no_metadata"),
        ),
        _METADATA,
    ),
    **dict.fromkeys(
        (
            *("cache_latents", "cache_latents_to_disk", "vae_batch_size", "skip_cache_check"),
            *("cache_text_encoder_outputs", "cache_text_encoder_outputs_to_disk", "cache_info"),
        ),
        _CACHE,
    ),
    **dict.fromkeys(
        (
            *("xformers", "sdpa", "mem_eff_attn", "torch_compile", "lowram", "highvram", "lowvram"),
            *("dynamo_backend", "dynamo_mode", "dynamo_use_fullgraph", "dynamo_use_dynamic"),
            *("disable_mmap_load_safetensors", "cpu_offload", "engine"),
        ),
        _SPEED,
    ),
    **dict.fromkeys(("max_data_loader_n_workers", "persistent_data_loader_workers"), _LOADER),
    **dict.fromkeys(
        (
            *("num_cpu_threads_per_process", "num_machines", "multi_gpu", "gpu_ids"),
            *("main_process_port", "ddp_timeout", "ddp_gradient_as_bucket_view"),
            "ddp_static_graph",
        ),
        _LAUNCH,
    ),
    **dict.fromkeys(
        (
            *("zero_stage", "zero3_init_flag", "zero3_save_16bit_model", "offload_param_device"),
            *("offload_optimizer_device", "offload_optimizer_nvme_path"),
            *("offload_param_nvme_path", "fp16_master_weights_and_gradients"),
        ),
        Harmless("acts with deepspeed only"),
    ),
    **dict.fromkeys(("weighting_scheme", "logit_mean", "logit_std", "mode_scale"), _FAMILY),
    "deepspeed": Refused("spreads one model over GPUs; a LoRA of SD 1.5 or SDXL fits on one"),
    "train_inpainting": Refused("is for inpainting models"),
    "output_config": Harmless("writes the configuration only"),
    "noise_offset_type": Harmless("a field of kohya_ss that sd-scripts does not read"),
}
ARGUMENTS: Mapping[str, Rule] = {
    **_MODEL,
    **_NETWORK,
    **_OPTIMIZER,
    **_COURSE,
    **_OBJECTIVE,
    **_CAPTIONS,
    **_IMAGES,
    **_SAMPLES,
    **_REST,
}
"""By the name in sd-scripts. The lists of name=value are in ``network`` and ``optimizer``."""
