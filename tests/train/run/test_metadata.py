"""What a saved LoRA says about itself."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from prep import __version__
from tests.train.run.test_loop import finish, job_in
from tests.train.tiny import MakeRun
from train.lora.file import legacy_hash, read_header


def test_metadata_is_complete(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(epochs=1, batch_size=2, save_precision="bf16")
    summary, _ = finish(run, job_in(tmp_path))
    header = read_header(run.project / summary["lora"])
    metadata = header.metadata
    expected = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "4.0",
        "ss_base_model_version": "sd_v1",
        "ss_v2": "False",
        "ss_output_name": "mochi",
        "ss_num_train_images": "10",
        "ss_num_reg_images": "0",
        "ss_steps": str(summary["steps"]),
        "ss_epoch": "1",
        "ss_min_snr_gamma": "5.0",
        "ss_noise_offset": "None",
        "ss_lr_scheduler": "cosine",
        "ss_mixed_precision": "no",
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": "mochi",
        "modelspec.resolution": "64x64",
        "modelspec.prediction_type": "epsilon",
    }
    assert {key: metadata.get(key) for key in expected} == expected
    frequency = json.loads(metadata["ss_tag_frequency"])["images"]
    assert (frequency["mochi"], frequency["hat 0"]) == (5, 2)
    buckets = json.loads(metadata["ss_bucket_info"])["buckets"]
    assert sorted((b["resolution"], b["count"]) for b in buckets.values()) == [
        ([64, 64], 8),
        ([80, 48], 2),
    ]
    (dataset,) = json.loads(metadata["ss_datasets"])
    assert dataset["subsets"][0]["num_repeats"] == 2
    assert {entry["dtype"] for entry in header.tensors.values()} == {"BF16"}
    assert len(metadata["sshs_model_hash"]) == 64
    weights = run.base / "unet" / "diffusion_pytorch_model.safetensors"
    assert metadata["ss_new_sd_model_hash"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert metadata["ss_sd_model_hash"] == legacy_hash(weights.read_bytes())
    assert metadata["modelspec.implementation_version"] == f"shikomi/{__version__}"
    assert (metadata["ss_text_encoder_lr"], metadata["ss_caption_dropout_rate"]) == ("0.001", "0.0")


@pytest.mark.parametrize(
    "settings", [{"text_encoder_learning_rate": 0.0}, {"train_text_encoder": False}]
)
def test_a_frozen_text_encoder_is_not_in_the_file(
    make_run: MakeRun, tmp_path: Path, settings: dict[str, Any]
) -> None:
    run = make_run(max_steps=1, **settings)
    summary, _ = finish(run, job_in(tmp_path))
    header = read_header(run.project / summary["lora"])
    assert all(key.startswith("lora_unet_") for key in header.tensors)
    assert header.metadata["ss_text_encoder_lr"] == "None"


def test_v_prediction_trains(make_run: MakeRun, tmp_path: Path, v_base: Path) -> None:
    run = make_run(base=str(v_base), max_steps=2)
    summary, _ = finish(run, job_in(tmp_path))
    metadata = read_header(run.project / summary["lora"]).metadata
    assert metadata["modelspec.prediction_type"] == "v"
    assert metadata["ss_base_model_version"] == "sd_v1_v"
    assert metadata["ss_zero_terminal_snr"] == "True"
