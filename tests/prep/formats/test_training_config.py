"""The configurations for other trainers: every setting that has a counterpart arrives there."""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from prep.formats import training_config
from prep.formats.base_models import NoiseKind, noise_kind
from prep.formats.train_table import TrainTable
from prep.project import Project
from tests.conftest import MakeImage
from tests.prep.exporting import run
from tests.prep.formats.test_layouts import full as full  # the fixture
from train.settings.objective import ObjectiveSettings
from train.settings.optimization import OptimizationSettings

# fmt: off
# Arguments of train_network.py and sdxl_train_network.py.
TRAIN_ARGUMENTS = {
    "pretrained_model_name_or_path", "dataset_config", "output_dir", "output_name",
    "save_model_as", "save_precision", "save_every_n_epochs", "save_every_n_steps",
    "network_module", "network_dim", "network_alpha", "network_dropout", "network_args",
    "network_train_unet_only", "optimizer_type", "optimizer_args", "learning_rate", "unet_lr",
    "text_encoder_lr", "lr_scheduler", "lr_warmup_steps", "max_grad_norm", "max_train_epochs",
    "max_train_steps", "gradient_accumulation_steps", "gradient_checkpointing", "mixed_precision",
    "seed", "clip_skip", "max_token_length", "min_snr_gamma", "noise_offset",
    "caption_dropout_rate", "caption_tag_dropout_rate",
    "cache_latents", "sdpa", "no_half_vae", "masked_loss",
    "prior_loss_weight", "sample_prompts", "sample_sampler", "sample_at_first",
    "sample_every_n_epochs", "sample_every_n_steps", "v_parameterization", "zero_terminal_snr",
    "validation_split", "validation_seed", "validate_every_n_epochs",
    "lr_scheduler_num_cycles", "lr_scheduler_power", "lr_decay_steps", "lr_scheduler_min_lr_ratio",
    "debiased_estimation_loss", "scale_v_pred_loss_like_noise_pred", "v_pred_like_loss",
    "loss_type", "huber_schedule", "huber_c", "huber_scale", "noise_offset_random_strength",
    "adaptive_noise_scale", "multires_noise_iterations", "multires_noise_discount",
    "ip_noise_gamma", "ip_noise_gamma_random_strength", "min_timestep", "max_timestep",
}
# fmt: on


def config(project: Project) -> dict[str, Any]:
    return tomllib.loads((project.output / "dataset" / "sd_scripts.toml").read_text("utf-8"))


def test_a_ready_configuration_for_sd_scripts(full: Project) -> None:
    (full.models / "base.safetensors").write_bytes(b"")
    run(full)
    data = config(full)
    assert data.keys() <= TRAIN_ARGUMENTS
    expected = {
        "pretrained_model_name_or_path": str(full.models / "base.safetensors"),
        "dataset_config": str(full.output / "dataset" / "dataset.toml"),
        "network_module": "networks.lora",
        "network_dim": 32,
        "network_alpha": 16.0,
        "unet_lr": 1e-4,
        "text_encoder_lr": 1e-4,
        "lr_scheduler": "cosine",
        "max_train_epochs": 10,
        "min_snr_gamma": 5.0,
        "mixed_precision": "fp16",
        "prior_loss_weight": 1.0,
    }
    assert {key: data.get(key) for key in expected} == expected
    text = (full.output / "dataset" / "sd_scripts.toml").read_text("utf-8")
    assert "accelerate launch train_network.py --config_file" in text


def test_every_setting_that_has_a_counterpart_reaches_sd_scripts(full: Project) -> None:
    settings = {
        "conv_rank": 8,
        "dropout": 0.1,
        "train_text_encoder": False,
        "scheduler": "constant",
        "warmup_steps": 20,
        "precision": "fp32",
        "save_precision": "fp32",
        "max_steps": 900,
        "epochs": 1000,
        "clip_skip": 2,
        "max_token_length": 225,
        "noise_offset": 0.05,
        "caption_dropout": 0.1,
        "tag_dropout": 0.2,
        "save_every_steps": 100,
        "sample_prompts": ["mochi, beach --d 7", "p.txt"],
        "sampler": "dpmpp_2m",
        "sample_every_steps": 50,
    }
    (full.root / "p.txt").write_text("# comment\nfrom file --w 256 --n bad\n\n")
    changed = full.saved({"train": settings, "project": {"family": "sdxl", "resolution": 1024}})
    run(changed)
    data = config(changed)
    assert data.keys() <= TRAIN_ARGUMENTS
    expected = {
        "network_args": ["conv_dim=8", "conv_alpha=1.0"],
        "network_dropout": 0.1,
        "network_train_unet_only": True,
        "lr_scheduler": "constant_with_warmup",
        "lr_warmup_steps": 20,
        "mixed_precision": "no",
        "save_precision": "float",
        "max_train_steps": 900,
        "clip_skip": 2,
        "max_token_length": 225,
        "noise_offset": 0.05,
        "caption_dropout_rate": 0.1,
        "caption_tag_dropout_rate": 0.2,
        "save_every_n_steps": 100,
        "sample_sampler": "dpmsolver++",
        "sample_every_n_steps": 50,
        "no_half_vae": True,
    }
    assert {key: data.get(key) for key in expected} == expected
    assert "max_train_epochs" not in data
    assert "text_encoder_lr" not in data
    prompts = Path(data["sample_prompts"]).read_text("utf-8").splitlines()
    assert prompts == [
        "mochi, beach --d 7 --w 1024 --h 1024 --s 20 --l 7",
        "from file --w 256 --n bad --h 1024 --s 20 --l 7",
    ]


def diffusers_model(folder: Path, **scheduler: object) -> Path:
    """Write as much of a base model as says what it predicts."""
    (folder / "scheduler").mkdir(parents=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    return folder


def single_file(path: Path, header: Mapping[str, object]) -> Path:
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


V_KEYS = ("v_parameterization", "zero_terminal_snr")


def test_what_the_base_model_predicts_reaches_other_trainers(full: Project) -> None:
    plain = diffusers_model(full.models / "plain", prediction_type="epsilon")
    zero = diffusers_model(
        full.models / "v", prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    comfy = single_file(full.models / "comfy.safetensors", {"v_pred": {}, "ztsnr": {}})
    spec = {"__metadata__": {"modelspec.prediction_type": "v"}}
    kohya = single_file(full.models / "kohya.safetensors", spec)
    broken = full.models / "broken.safetensors"
    broken.write_bytes(b"broken")
    for base, expected in (
        (plain, (None, None)),
        (zero, (True, True)),
        (comfy, (True, True)),
        (kohya, (True, None)),
        (broken, (None, None)),
        (full.models / "none", (None, None)),
    ):
        changed = full.saved({"train": {"base": full.relative(base)}})
        run(changed)
        assert tuple(config(changed).get(key) for key in V_KEYS) == expected, base
        run(changed, layout="ai-toolkit")
        text = (full.output / "ai-toolkit" / "config.yaml").read_text("utf-8")
        assert ("is_v_pred: true" in text) == bool(expected[0])


def test_the_base_of_the_demo_is_told_to_predict_velocities() -> None:
    from prep.demo_world import base

    assert noise_kind(str(base())) == NoiseKind(v_prediction=True, zero_terminal_snr=True)


def test_a_base_in_the_home_folder_is_written_out(
    full: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    diffusers_model(tmp_path / "model", prediction_type="v_prediction")
    changed = full.saved({"train": {"base": "~/model"}})
    run(changed)
    data = config(changed)
    assert data["pretrained_model_name_or_path"] == str(tmp_path / "model")
    assert data["v_parameterization"] is True


def test_the_length_of_a_run_is_that_of_the_plan(full: Project) -> None:
    for settings, expected in (
        ({"epochs": 2, "max_steps": 100_000}, {"max_train_epochs": 2}),
        ({"epochs": 2, "max_steps": 3}, {"max_train_steps": 3}),
        ({"epochs": 2, "max_steps": 0}, {"max_train_epochs": 2}),
    ):
        changed = full.saved({"train": settings})
        run(changed)
        data = config(changed)
        lengths = {k: v for k, v in data.items() if k in ("max_train_epochs", "max_train_steps")}
        assert lengths == expected
        run(changed, layout="diffusers")
        text = (full.output / "diffusers" / "train.sh").read_text("utf-8")
        assert ("--max_train_steps 3 " in text) == ("max_train_steps" in expected)
        assert ("--num_train_epochs" in text) == ("max_train_epochs" in expected)


def test_validation_reaches_sd_scripts(full: Project) -> None:
    run(full)
    assert "validation_split" not in config(full)
    changed = full.saved(
        {"train": {"validation_fraction": 0.2, "validate_every_epochs": 3, "seed": 7}}
    )
    run(changed)
    data = config(changed)
    assert data.keys() <= TRAIN_ARGUMENTS
    assert (data["validation_split"], data["validation_seed"]) == (0.2, 7)
    assert data["validate_every_n_epochs"] == 3


def test_a_frozen_text_encoder_is_frozen_elsewhere(full: Project) -> None:
    changed = full.saved({"train": {"text_encoder_learning_rate": 0.0}})
    run(changed)
    data = config(changed)
    assert data["network_train_unet_only"] is True
    assert "text_encoder_lr" not in data
    run(changed, layout="ai-toolkit")
    text = (full.output / "ai-toolkit" / "config.yaml").read_text("utf-8")
    assert "train_text_encoder: false" in text
    assert "text_encoder_lr" not in text


def test_without_a_model_there_is_no_configuration(
    project: Project, make_image: MakeImage, out: Path
) -> None:
    make_image("10_mochi/a.png", 1, caption="mochi")
    run(project)
    assert not (out / training_config.NAME).exists()


def test_the_defaults_are_those_of_the_trainer() -> None:
    from train.config import TrainSettings

    names, theirs = TrainTable.model_fields, TrainSettings()
    assert TrainTable().model_dump() == {name: getattr(theirs, name) for name in names}
    groups = (OptimizationSettings, ObjectiveSettings)
    known = {name for group in groups for name in group.model_fields}
    assert known <= names.keys(), "a setting that sd-scripts may know is not carried over"
