"""Facts about the LoRA presets that come with kohya_ss: fields of its form that decide a training.

Listed is what differs from USUAL.
"""

from typing import Any

_PRODIGY = (
    '"d0=1e-5" "d_coef=1.0" "weight_decay=0.4" "decouple=True"'
    ' "safeguard_warmup=True" "use_bias_correction=True"'
)
_PRODIGY_BOLD = (
    "decouple=True weight_decay=0.45 d_coef=2 use_bias_correction=True safeguard_warmup=True"
)
_PRODIGY_PLAIN = "d_coef=1.0 weight_decay=0.01 safeguard_warmup=False use_bias_correction=False"
_CLASS = '--lr_scheduler_type "CosineAnnealingLR" --lr_scheduler_args'
_COSINE = f'{_CLASS} "T_max=1000" "eta_min=0e-0"'
_COSINE_UNET = f'{_CLASS} "T_max=30" --network_train_unet_only'
# fmt: off
USUAL: dict[str, Any] = {
    "LoRA_type": "Standard", "conv_dim": 1, "conv_alpha": 1, "factor": -1, "lr_scheduler":
    "constant", "train_batch_size": 1, "gradient_accumulation_steps": 1, "noise_offset_type":
    "Original", "max_timestep": 1000, "max_resolution": "1024,1024", "max_token_length": "75",
    "clip_skip": "1", "sdxl": True, "multires_noise_discount": 0, "unet_lr": 1.0,
    "text_encoder_lr": 1.0, "epoch": 1,
}
PRESETS: dict[str, dict[str, Any]] = {
    "SDXL - 1 image LoRA v1.0": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "network_alpha": 1,
        "conv_dim": 100000, "factor": 6, "optimizer": "Prodigy",
        "optimizer_args": _PRODIGY,
        "lr_scheduler": "cosine",
        "additional_parameters": _COSINE,
        "epoch": 100, "max_train_steps": "160", "noise_offset_type": "Multires",
        "multires_noise_iterations": 5, "multires_noise_discount": 0.1, "min_snr_gamma": 5,
        "debiased_estimation_loss": True, "bucket_reso_steps": 32, "shuffle_caption": True,
    },
    "SDXL - LoHA AI_Characters v1.0": {
        "LoRA_type": "LyCORIS/LoHa", "network_dim": 32, "network_alpha": 32, "conv_dim": 16,
        "conv_alpha": 16, "scale_weight_norms": 2.5, "optimizer": "AdamW8bit", "unet_lr": 0.001,
        "text_encoder_lr": 0.001, "max_train_epochs": "100", "train_batch_size": 8,
        "min_snr_gamma": 5, "bucket_reso_steps": 32, "caption_dropout_rate": 0.05,
    },
    "SDXL - LoKR v1.0": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 64, "network_alpha": 64, "conv_dim": 64,
        "conv_alpha": 64, "use_cp": True, "rank_dropout": 0.1, "module_dropout": 0.1,
        "optimizer": "Prodigy", "epoch": 20, "train_batch_size": 8,
        "noise_offset_type": "Multires", "noise_offset": 0.0357, "multires_noise_iterations": 8,
        "multires_noise_discount": 0.2, "min_snr_gamma": 10, "bucket_reso_steps": 64,
    },
    "SDXL - LoRA AI_Now ADamW v1.0": {
        "network_dim": 32, "network_alpha": 32, "conv_dim": 32, "conv_alpha": 32,
        "optimizer": "AdamW", "unet_lr": 0.0001, "text_encoder_lr": 0.0001, "epoch": 160,
        "max_train_steps": "320", "train_batch_size": 4, "noise_offset": 0.0375,
        "adaptive_noise_scale": 0.00375, "min_snr_gamma": 5, "min_timestep": 100,
        "max_timestep": 900, "bucket_reso_steps": 64,
    },
    "SDXL - LoRA AI_Now prodigy v1.0": {
        "network_dim": 32, "network_alpha": 16, "conv_dim": 32, "conv_alpha": 32,
        "scale_weight_norms": 5, "optimizer": "Prodigy",
        "optimizer_args": "weight_decay=0.01 decouple=True d0=0.0001 use_bias_correction=True",
        "epoch": 160, "train_batch_size": 8, "min_snr_gamma": 5, "bucket_reso_steps": 32,
    },
    "SDXL - LoRA AI_characters standard v1.0": {
        "network_dim": 32, "network_alpha": 32, "optimizer": "AdamW8bit", "unet_lr": 2e-05,
        "text_encoder_lr": 2e-05, "epoch": 100, "max_train_epochs": "100", "train_batch_size": 8,
        "min_snr_gamma": 5, "bucket_reso_steps": 64, "caption_dropout_rate": 0.05,
    },
    "SDXL - LoRA AI_characters standard v1.1": {
        "network_dim": 32, "network_alpha": 32, "optimizer": "AdamW", "unet_lr": 3e-05,
        "text_encoder_lr": 3e-05, "epoch": 50, "max_train_epochs": "50", "train_batch_size": 3,
        "min_snr_gamma": 5, "bucket_reso_steps": 64, "caption_dropout_rate": 0.05,
    },
    "SDXL - LoRA adafactor v1.0": {
        "network_dim": 128, "network_alpha": 128, "conv_dim": 4, "conv_alpha": 4,
        "scale_weight_norms": 1, "optimizer": "Adafactor", "lr_scheduler": "adafactor",
        "additional_parameters": "--log_prefix=xl-loha", "epoch": 30, "max_train_epochs": "30",
        "train_batch_size": 5, "noise_offset": 0.0357, "adaptive_noise_scale": 0.00357,
        "bucket_reso_steps": 32, "keep_tokens": 1,
    },
    "SDXL - LoRA aitrepreneur clothing v1.0": {
        "network_dim": 128, "network_alpha": 1, "conv_dim": 32, "conv_alpha": 32,
        "optimizer": "Adafactor",
        "optimizer_args": "scale_parameter=False relative_step=False warmup_init=False",
        "unet_lr": 0.0009, "text_encoder_lr": 0.0009, "epoch": 15,
        "gradient_accumulation_steps": 2, "bucket_reso_steps": 64,
    },
    "SDXL - LoRA by malcolmrey training v1.0": {
        "network_dim": 32, "network_alpha": 13, "conv_dim": 32, "conv_alpha": 32,
        "scale_weight_norms": 2.5, "optimizer": "AdamW8bit", "unet_lr": 0.0001,
        "text_encoder_lr": 0.0001, "epoch": 16, "max_train_epochs": "16", "train_batch_size": 8,
        "min_snr_gamma": 5, "bucket_reso_steps": 32,
    },
    "SDXL - LoRA face dogu_cat v1.0": {
        "network_dim": 92, "network_alpha": 46, "conv_dim": 4, "conv_alpha": 4,
        "scale_weight_norms": 1, "optimizer": "AdamW8bit", "unet_lr": 0.0001,
        "text_encoder_lr": 0.0001, "lr_scheduler": "cosine", "epoch": 10, "noise_offset": 0.0357,
        "adaptive_noise_scale": 0.00357, "bucket_reso_steps": 32, "keep_tokens": 1,
    },
    "SDXL - LoRA finetuning phase 1_v1.1": {
        "network_dim": 128, "network_alpha": 128, "conv_dim": 64, "conv_alpha": 64,
        "use_cp": True, "optimizer": "AdamW", "unet_lr": 0.0001, "text_encoder_lr": 0.0001,
        "epoch": 8, "train_batch_size": 8, "bucket_reso_steps": 32,
    },
    "SDXL - LoRA finetuning phase 2_v1.1": {
        "network_dim": 128, "network_alpha": 128, "conv_dim": 4, "conv_alpha": 4,
        "dim_from_weights": True, "lora_network_weights": "D:/lora/other.safetensors",
        "optimizer": "AdamW", "unet_lr": 0.0001, "text_encoder_lr": 0.0001,
        "additional_parameters": "--log_prefix=xl-loha", "max_train_epochs": "1",
        "noise_offset": 0.0357, "adaptive_noise_scale": 0.00357, "bucket_reso_steps": 32,
        "keep_tokens": 1,
    },
    "SDXL - LoRA kudou-reira dadaptadam v1.0": {
        "network_dim": 256, "network_alpha": 256, "optimizer": "DAdaptAdam",
        "optimizer_args": '"decouple=True" "weight_decay=0.2" "betas=0.9,0.99" "growth_rate=1.02"',
        "lr_scheduler": "cosine", "lr_warmup": 5,
        "additional_parameters": "--network_train_unet_only", "epoch": 25, "train_batch_size": 6,
        "noise_offset": 0.0357, "min_snr_gamma": 5, "bucket_reso_steps": 64,
        "shuffle_caption": True, "keep_tokens": 2, "max_token_length": "225",
    },
    "SDXL - LoRA kudou-reira dadaptadam v1.1": {
        "network_dim": 64, "network_alpha": 64, "optimizer": "DAdaptAdam",
        "optimizer_args": '"decouple=True" "weight_decay=0.1" "betas=0.9,0.91"',
        "lr_scheduler": "cosine", "lr_warmup": 5,
        "additional_parameters": "--network_train_unet_only", "epoch": 25, "train_batch_size": 6,
        "noise_offset": 0.0357, "min_snr_gamma": 5, "bucket_reso_steps": 64,
        "shuffle_caption": True, "keep_tokens": 2, "max_token_length": "225",
    },
    "SDXL - LoRA kudou-reira prodigy v4.0": {
        "network_dim": 256, "network_alpha": 256, "optimizer": "Prodigy",
        "optimizer_args": _PRODIGY_BOLD,
        "lr_scheduler": "cosine_with_restarts",
        "additional_parameters": _COSINE_UNET,
        "epoch": 30, "train_batch_size": 6, "noise_offset": 0.0357, "min_snr_gamma": 5,
        "bucket_reso_steps": 64, "shuffle_caption": True, "keep_tokens": 2,
        "max_token_length": "225",
    },
    "SDXL - edgLoRAXL AI_Now": {
        "network_dim": 32, "network_alpha": 32, "conv_dim": 8, "conv_alpha": 4, "use_cp": True,
        "scale_weight_norms": 1, "optimizer": "Prodigy",
        "optimizer_args": "decouple=True weight_decay=0.5 betas=0.9,0.99 use_bias_correction=False",
        "lr_scheduler": "cosine", "additional_parameters": "--max_grad_norm=1", "epoch": 160,
        "max_train_steps": "320", "train_batch_size": 4, "noise_offset": 0.0357,
        "multires_noise_iterations": 8, "multires_noise_discount": 0.2, "bucket_reso_steps": 32,
    },
    "SDXL - edgLoRAXL": {
        "network_dim": 32, "network_alpha": 32, "conv_dim": 8, "conv_alpha": 4, "use_cp": True,
        "scale_weight_norms": 1, "optimizer": "Prodigy",
        "optimizer_args": "decouple=True weight_decay=0.5 betas=0.9,0.99 use_bias_correction=False",
        "lr_scheduler": "cosine", "additional_parameters": "--max_grad_norm=0",
        "train_batch_size": 4, "noise_offset": 0.0357, "multires_noise_iterations": 8,
        "multires_noise_discount": 0.2, "bucket_reso_steps": 64,
    },
    "flux1D - adamw8bit fp8": {
        "LoRA_type": "Flux1", "network_dim": 16, "network_alpha": 16, "optimizer": "AdamW8bit",
        "unet_lr": 0.0003, "text_encoder_lr": 0, "max_train_steps": 1000, "noise_offset": 0.05,
        "multires_noise_discount": 0.3, "min_snr_gamma": 7, "max_resolution": "512,512",
        "bucket_reso_steps": 64, "sdxl": False, "flux1_checkbox": True, "full_bf16": True,
        "fp8_base": True,
    },
    "iA3-Prodigy-sd15": {
        "LoRA_type": "LyCORIS/iA3", "network_dim": 1024, "network_alpha": 1024,
        "network_dropout": 0.3, "scale_weight_norms": 1, "optimizer": "Prodigy",
        "optimizer_args": _PRODIGY_PLAIN,
        "epoch": 300, "noise_offset": 0.05, "adaptive_noise_scale": 0.005, "min_snr_gamma": 5,
        "shuffle_caption": True, "keep_tokens": 1, "caption_dropout_rate": 0.5, "sdxl": False,
    },
    "ia3-sd15": {
        "LoRA_type": "LyCORIS/iA3", "network_dim": 64, "network_alpha": 64, "conv_dim": 64,
        "conv_alpha": 64, "optimizer": "Prodigy", "lr_scheduler": "cosine", "epoch": 4,
        "noise_offset_type": "Multires", "multires_noise_iterations": 8,
        "multires_noise_discount": 0.2, "min_snr_gamma": 10, "max_resolution": "512,512",
        "bucket_reso_steps": 1, "sdxl": False,
    },
    "locon-dadaptation-sdxl": {
        "network_dim": 64, "network_alpha": 64, "conv_dim": 64, "conv_alpha": 64,
        "optimizer": "Adafactor",
        "optimizer_args": "scale_parameter=False relative_step=False warmup_init=False",
        "unet_lr": 4e-07, "text_encoder_lr": 0.0, "lr_scheduler": "constant_with_warmup",
        "lr_warmup": 8, "epoch": 4, "noise_offset": 0.0357, "multires_noise_iterations": 8,
        "multires_noise_discount": 0.2, "min_snr_gamma": 10, "max_resolution": "512,512",
        "bucket_reso_steps": 1,
    },
    "loha-sd15": {
        "LoRA_type": "LyCORIS/LoHa", "network_dim": 32, "network_alpha": 16, "conv_dim": 8,
        "conv_alpha": 4, "use_cp": True, "scale_weight_norms": 1, "optimizer": "AdamW",
        "unet_lr": 0.0001, "text_encoder_lr": 0.0001, "lr_scheduler": "cosine", "epoch": 2,
        "gradient_accumulation_steps": 4, "noise_offset_type": "Multires",
        "multires_noise_iterations": 8, "multires_noise_discount": 0.2, "min_snr_gamma": 10,
        "max_resolution": "512,512", "bucket_reso_steps": 1, "sdxl": False,
    },
    "lokr-sd15": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 64, "network_alpha": 64, "conv_dim": 64,
        "conv_alpha": 64, "optimizer": "Prodigy", "lr_scheduler": "cosine",
        "gradient_accumulation_steps": 4, "noise_offset_type": "Multires",
        "multires_noise_iterations": 8, "multires_noise_discount": 0.2, "min_snr_gamma": 10,
        "max_resolution": "512,512", "bucket_reso_steps": 1, "sdxl": False,
    },
    "sd15 - EDG_LoConOptiSettings": {
        "LoRA_type": "LyCORIS/LoCon", "network_dim": 64, "network_alpha": 64, "conv_dim": 32,
        "optimizer": "AdamW8bit", "unet_lr": "0.0001", "text_encoder_lr": "5e-05",
        "train_batch_size": 3, "noise_offset": "0.05", "max_resolution": "512,650",
        "bucket_reso_steps": 64.0, "clip_skip": 2, "sdxl": False,
    },
    "sd15 - EDG_LoHaOptiSettings": {
        "LoRA_type": "LyCORIS/LoHa", "network_dim": 32, "network_alpha": 32, "conv_dim": 32,
        "optimizer": "AdamW8bit", "unet_lr": "0.0001", "text_encoder_lr": "5e-5",
        "train_batch_size": 3, "max_resolution": "512,650", "bucket_reso_steps": 64.0,
        "clip_skip": 2, "sdxl": False,
    },
    "sd15 - EDG_LoraOptiSettings": {
        "network_dim": 64, "network_alpha": 64, "optimizer": "AdamW8bit", "unet_lr": "0.0001",
        "text_encoder_lr": "5e-05", "train_batch_size": 3, "noise_offset": "0.05",
        "max_resolution": "512,650", "bucket_reso_steps": 64.0, "clip_skip": 2, "sdxl": False,
    },
    "sd15 - GLoRA v1.0": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "network_alpha": 1,
        "conv_dim": 100000, "factor": 6, "decompose_both": True, "use_cp": True,
        "train_norm": True, "rank_dropout_scale": True, "scale_weight_norms": 1,
        "optimizer": "AdamW", "optimizer_args": '"weight_decay=0.1" "betas=0.9,0.99"',
        "unet_lr": 0.0001, "text_encoder_lr": 0.0001, "epoch": 20, "max_train_steps": "113",
        "noise_offset_type": "Multires", "adaptive_noise_scale": 0.005,
        "multires_noise_iterations": 10, "multires_noise_discount": 0.3, "min_snr_gamma": 5,
        "max_resolution": "768,768", "bucket_reso_steps": 1, "caption_dropout_rate": 0.05,
        "sdxl": False,
    },
    "sd15 - LoKR v1.0": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "network_alpha": 1,
        "conv_dim": 100000, "factor": 6, "scale_weight_norms": 1, "optimizer": "AdamW",
        "optimizer_args": '"weight_decay=0.1" "betas=0.9,0.99"', "unet_lr": 0.0001,
        "text_encoder_lr": 0.0001, "epoch": 20, "max_train_steps": "150",
        "noise_offset_type": "Multires", "adaptive_noise_scale": 0.005,
        "multires_noise_iterations": 10, "multires_noise_discount": 0.3, "min_snr_gamma": 5,
        "max_resolution": "768,768", "bucket_reso_steps": 1, "caption_dropout_rate": 0.05,
        "sdxl": False,
    },
    "sd15 - LoKr v1.1": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "network_alpha": 1,
        "conv_dim": 100000, "factor": 6, "decompose_both": True, "use_cp": True,
        "train_norm": True, "rank_dropout_scale": True, "scale_weight_norms": 1,
        "optimizer": "AdamW", "optimizer_args": '"weight_decay=0.1" "betas=0.9,0.99"',
        "unet_lr": 0.0001, "text_encoder_lr": 0.0001, "epoch": 20, "max_train_steps": "113",
        "noise_offset_type": "Multires", "adaptive_noise_scale": 0.005,
        "multires_noise_iterations": 10, "multires_noise_discount": 0.3, "min_snr_gamma": 5,
        "max_resolution": "768,768", "bucket_reso_steps": 1, "caption_dropout_rate": 0.05,
        "sdxl": False,
    },
    "sd15 - LoKr v2.0": {
        "LoRA_type": "LyCORIS/LoKr", "network_dim": 100000, "network_alpha": 1,
        "conv_dim": 100000, "factor": 6, "optimizer": "Prodigy",
        "optimizer_args": _PRODIGY,
        "lr_scheduler": "cosine",
        "additional_parameters": _COSINE,
        "epoch": 150, "train_batch_size": 2, "noise_offset_type": "Multires",
        "multires_noise_iterations": 6, "multires_noise_discount": 0.1, "min_snr_gamma": 5,
        "max_resolution": "512,512", "bucket_reso_steps": 1, "shuffle_caption": True,
        "keep_tokens": 1, "caption_dropout_rate": 0.1, "sdxl": False,
    },
}
# fmt: on
