"""A whole run on a tiny SDXL model: folder, options, resuming, and what is in the file."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.events import Finished, Metric, Sample
from prep.system import jobs
from tests.train.tiny import MakeRun, make_sdxl_base
from train.config import RunConfig
from train.families.base_model import BaseModel
from train.families.sdxl import StableDiffusionXL
from train.lora.contents import inspect
from train.run.loop import train
from train.run.processes import ProcessGroup

CPU = ProcessGroup(torch.device("cpu"))


@pytest.fixture(scope="module")
def sdxl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sdxl_base(tmp_path_factory.mktemp("models") / "sdxl", "v_prediction", zero_snr=True)


def sdxl_run(make_run: MakeRun, base: Path, **settings: Any) -> RunConfig:
    values: dict[str, Any] = {"batch_size": 2, "epochs": 1, "save_every_steps": 1, **settings}
    return make_run(base=str(base), **values).model_copy(update={"family": "sdxl"})


def finish(run: RunConfig, folder: Path) -> tuple[dict[str, Any], list[Any]]:
    folder.mkdir(exist_ok=True)
    found = list(train(run, jobs.Job(folder), CPU))
    assert isinstance(found[-1], Finished)
    return found[-1].summary, found


def payload(path: Path) -> bytes:
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def test_a_run_and_its_file(make_run: MakeRun, sdxl: Path, tmp_path: Path) -> None:
    run = sdxl_run(
        make_run,
        sdxl,
        train_text_encoder=True,
        text_encoder_2_learning_rate=2e-4,
        conv_rank=2,
        validation_fraction=0.2,
        sample_every_epochs=1,
        sample_prompts=("mochi --s 2 --w 64 --h 64",),
    )
    summary, found = finish(run, tmp_path / "job")
    assert summary["val_loss_after"] != summary["val_loss_before"]
    assert sum(isinstance(event, Sample) for event in found) == 1
    shapes = BaseModel.open(sdxl).module_shapes()
    info = inspect(run.project / summary["lora"], shapes)
    assert (info.family, info.algorithm, info.unmatched) == ("sdxl", "locon", ())
    kinds = [m.part for m in BaseModel.open(sdxl).key_table().values() if m.kind != "other"]
    assert info.modules == dict(Counter(kinds))
    data = info.metadata
    assert data["ss_base_model_version"] == "sdxl_base_v1-0"
    assert data["modelspec.architecture"] == "stable-diffusion-xl-v1-base/lora"
    assert data["modelspec.implementation"].endswith("Stability-AI/generative-models")
    assert data["ss_text_encoder_lr"] == "[0.001, 0.0002]"
    assert data["ss_zero_terminal_snr"] == "True"


def test_text_encoders_are_frozen_unless_asked_for(
    make_run: MakeRun, sdxl: Path, tmp_path: Path
) -> None:
    summary, _ = finish(sdxl_run(make_run, sdxl, max_steps=1), tmp_path / "a")
    modules = inspect(make_run().project / summary["lora"]).modules
    assert modules.keys() == {"unet"}
    run = sdxl_run(
        make_run, sdxl, max_steps=1, train_text_encoder=True, text_encoder_2_learning_rate=0
    )
    summary, _ = finish(run.model_copy(update={"name": "other"}), tmp_path / "b")
    assert inspect(run.project / summary["lora"]).modules.keys() == {"unet", "text_encoder"}


def test_a_resumed_run_is_bit_identical(make_run: MakeRun, sdxl: Path, tmp_path: Path) -> None:
    run = sdxl_run(make_run, sdxl, train_text_encoder=True, dropout=0.1)
    whole, _ = finish(run, tmp_path / "whole")
    expected = payload(run.project / whole["lora"])
    job = tmp_path / "broken"
    job.mkdir()
    for event in train(run, jobs.Job(job), CPU):  # dropped, as a kill would
        if isinstance(event, Metric) and event.loss is not None and event.step == 2:
            break
    torch.manual_seed(999)
    resumed, _ = finish(run, job)
    assert payload(run.project / resumed["lora"]) == expected


def test_each_image_brings_its_own_size(
    make_run: MakeRun, sdxl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    framed = StableDiffusionXL.framed

    def recording(model: StableDiffusionXL, text: Any, frames: Any) -> Any:
        found = framed(model, text, frames)
        seen.extend(found.extra["sizes"].tolist())
        return found

    monkeypatch.setattr(StableDiffusionXL, "framed", recording)
    finish(sdxl_run(make_run, sdxl), tmp_path / "job")
    assert {(64, 64), (64, 96)} == {tuple(row[:2]) for row in seen}
    assert [64, 64, 0, 0, 64, 64] in seen
