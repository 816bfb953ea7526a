"""The LoRA presets of kohya_ss: which can be trained, and what becomes of what they say."""

import json
from pathlib import Path
from typing import Any

import pytest

from prep.errors import ConfigError
from prep.project import Project
from tests.train.kohya.form_facts import PRESETS, USUAL
from train.kohya.translation import Translation, translate

REFUSED = {
    "flux1D - adamw8bit fp8": "network_module = kohya_ss' flux1",
    "iA3-Prodigy-sd15": "network_args.algo = ia3",
    "ia3-sd15": "network_args.algo = ia3",
}


def translated(folder: Path, name: str) -> Translation:
    form = {**USUAL, **PRESETS[name]}
    family = "sdxl" if form["sdxl"] else "sd15"
    (folder / "shikomi.toml").write_text(f"[project]\nfamily = '{family}'\n")
    file = folder / "preset.json"
    file.write_text(json.dumps(form))
    return translate(file, Project.open(folder))


def test_all_but_three_can_be_trained() -> None:
    assert len(PRESETS) == 31
    assert len(PRESETS) - len(REFUSED) >= 28


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_trained_or_refused_by_name(name: str, tmp_path: Path) -> None:
    found = translated(tmp_path, name)
    if name in REFUSED:
        with pytest.raises(ConfigError, match=REFUSED[name]):
            found.check()
        return
    found.check()
    form = {**USUAL, **PRESETS[name]}
    settings = found.settings
    rank = min(form["network_dim"], 1024)
    assert (settings["rank"], settings["batch_size"]) == (rank, form["train_batch_size"])
    assert settings["learning_rate"] == float(form["unet_lr"])
    assert settings["min_snr_gamma"] in (form.get("min_snr_gamma", 0), 0)
    assert settings["max_norm"] == form.get("scale_weight_norms", 0)
    kinds = {"Standard": "lora", "LyCORIS/LoCon": "lora", "LyCORIS/LoHa": "loha"}
    assert settings["network"] == kinds.get(form["LoRA_type"], "lokr")
    assert (settings["conv_rank"] > 0) == (form["LoRA_type"] != "Standard")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "SDXL - 1 image LoRA v1.0",
            {
                "network": "lokr",
                "conv_rank": 1024,
                "lokr_factor": 6,
                "optimizer": "prodigy",
                "weight_decay": 0.4,
                "optimizer_args": {
                    "d0": 1e-5,
                    "d_coef": 1.0,
                    "decouple": True,
                    "safeguard_warmup": True,
                    "use_bias_correction": True,
                },
                "scheduler": "cosine",
                "max_steps": 160,
                "noise_offset": 0.0,
                "multires_noise_iterations": 5,
                "debiased_estimation_loss": True,
                "min_snr_gamma": 0.0,
                "train_text_encoder": True,
            },
        ),
        (
            "SDXL - LoRA kudou-reira dadaptadam v1.0",
            {
                "optimizer": "dadaptation.DAdaptAdam",
                "weight_decay": 0.2,
                "optimizer_args": {"decouple": True, "betas": (0.9, 0.99), "growth_rate": 1.02},
                "scheduler": "cosine",
                "warmup_steps": 0.05,
                "epochs": 25,
                "max_steps": 0,
                "train_text_encoder": False,
                "max_token_length": 225,
                "keep_tokens": 2,
                "noise_offset": 0.0357,
                "min_timestep": 0,
            },
        ),
        (
            "locon-dadaptation-sdxl",
            {"scheduler": "constant", "warmup_steps": 0.08, "train_text_encoder": False},
        ),
        (
            "SDXL - LoRA adafactor v1.0",
            {
                "optimizer_args": {"relative_step": True, "scale_parameter": True},
                "scheduler": "constant",
            },
        ),
        (
            "SDXL - LoRA aitrepreneur clothing v1.0",
            {
                "optimizer_args": {
                    "relative_step": False,
                    "scale_parameter": False,
                    "warmup_init": False,
                },
                "weight_decay": 0.0,
            },
        ),
        (
            "SDXL - LoRA AI_Now ADamW v1.0",
            {
                "min_timestep": 100,
                "max_timestep": 900,
                "adaptive_noise_scale": 0.00375,
                "weight_decay": 0.01,
            },
        ),
        ("sd15 - EDG_LoConOptiSettings", {"conv_rank": 32, "text_encoder_learning_rate": 5e-5}),
    ],
)
def test_what_presets_say(name: str, expected: dict[str, Any], tmp_path: Path) -> None:
    settings = translated(tmp_path, name).settings
    assert {key: settings[key] for key in expected} == expected
