"""Small models, datasets and runs for the tests of training; one thread, so that they can share."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.tiny import MakeRun, dataset_text, make_base, make_images
from train.config import RunConfig, TrainSettings

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An epsilon model."""
    return make_base(tmp_path_factory.mktemp("models") / "epsilon")


@pytest.fixture(scope="session")
def v_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A v-prediction model with zero terminal SNR."""
    folder = tmp_path_factory.mktemp("models") / "velocity"
    return make_base(folder, "v_prediction", zero_snr=True)


@pytest.fixture
def make_run(tmp_path: Path, base: Path) -> MakeRun:
    """Make runs over five small pictures in two buckets; keywords are training settings."""
    return runs_in(tmp_path / "project", base)


def runs_in(folder: Path, base: Path) -> MakeRun:
    """Return what makes runs over five small pictures in two buckets, in a new folder."""
    make_images(folder / "images", 4)
    make_images(folder / "wide", 1, (96, 64))
    (folder / "wide" / "00.png").rename(folder / "images" / "wide.png")
    (folder / "wide" / "00.txt").rename(folder / "images" / "wide.txt")
    (folder / "dataset.toml").write_text(dataset_text())

    def make(**settings: Any) -> RunConfig:
        values: dict[str, Any] = {
            "base": str(base),
            "rank": 4,
            "alpha": 4.0,
            "learning_rate": 1e-3,
            "precision": "fp32",
            "epochs": 2,
            "sample_every_epochs": 0,
            **settings,
        }
        return RunConfig(
            name="mochi",
            project=folder,
            dataset=folder / "dataset.toml",
            output=folder / "output" / "lora",
            samples=folder / "output" / "samples" / "mochi",
            cache=folder / ".shikomi" / "latents",
            train=TrainSettings(**values),
        )

    return make
