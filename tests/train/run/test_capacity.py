"""Memory and disk of full fine-tuning, compared with what there is before a run starts."""

import shutil
from math import prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from prep.errors import UserError
from prep.events import Stage, Warned
from tests.train.checkpoints.single import parts, tensors_of, write_folder, write_single_file
from tests.train.lora.test_key_tables import SDXL_UNET
from tests.train.run.test_full import SMALL, full_run
from tests.train.run.test_loop import finish, job_in
from tests.train.tiny import MakeRun
from tests.train.toy import toy_image
from train.checkpoints.sources import FolderSource
from train.config import TrainSettings
from train.data.dataset import Schedule
from train.families.base_model import BaseModel
from train.lora.file import read_header
from train.optim.flat import FlatGroup
from train.optim.optimizers import make_optimizer
from train.run import capacity
from train.run.capacity import (
    check_memory,
    checkpoint_bytes,
    count_saves,
    disk_warnings,
    state_bytes,
    trained_bytes,
    weight_shapes,
)
from train.run.checkpoint import states

SD15 = {"cross_attention_dim": 768, "attention_head_dim": 8}
SDXL = SDXL_UNET


def model(unet: dict[str, Any]) -> BaseModel:
    return BaseModel(FolderSource(Path("model")), "sd15", {"unet": unet})


def test_the_figures_of_the_guide() -> None:
    counts = [
        sum(shape.numel() for shape in weight_shapes(model(m), ["unet"])) for m in (SD15, SDXL)
    ]
    assert counts == [859_520_964, 2_567_463_684]


@pytest.mark.parametrize(
    ("settings", "half", "each", "state"),
    [
        ({}, False, 16, 12),
        ({}, True, 18, 12),
        ({"ema_decay": 0.9}, True, 22, 16),
        ({"optimizer": "lion"}, True, 14, 8),
        ({"optimizer": "adamw8bit"}, False, 10, 6),
        ({"optimizer": "lion8bit"}, False, 9, 5),
        ({"optimizer": "prodigy", "learning_rate": 1.0}, False, 24, 20),
        ({"optimizer": "schedulefree", "scheduler": "constant"}, False, 16, 12),
        ({"optimizer": "some.other.Class"}, False, 16, 12),
    ],
)
def test_memory_of_a_weight(settings: dict[str, Any], each: int, state: int, *, half: bool) -> None:
    made, shapes = TrainSettings(method="full", **settings), [torch.Size([2, 3]), torch.Size([4])]
    assert trained_bytes(shapes, made, half=half) == 10 * each
    assert state_bytes(shapes, made) == 10 * state


@pytest.mark.parametrize("shape", [(7,), (6, 5), (4, 3, 3, 2)])
def test_what_adafactor_keeps_is_what_it_has_kept(shape: tuple[int, ...]) -> None:
    settings = TrainSettings(method="full", optimizer="adafactor")
    group = FlatGroup([torch.nn.Parameter(torch.ones(shape))], 1.0)
    group.gradients.fill_(1.0)
    optimizer = make_optimizer([group], settings, torch.device("cpu"))
    optimizer.step()
    (state,) = optimizer.state.values()
    kept = sum(v.nbytes for v in state.values() if isinstance(v, torch.Tensor) and v.ndim)
    assert state_bytes([torch.Size(shape)], settings) == 4 * prod(shape) + kept


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_too_little_memory_is_said_with_figures(
    monkeypatch: pytest.MonkeyPatch, device: str
) -> None:
    settings, place = TrainSettings(method="full"), torch.device(device)
    monkeypatch.setattr(capacity, "free_memory", lambda _: 16 * 2**30)
    (stage,) = check_memory(model(SD15), settings, place, half=True)
    assert isinstance(stage, Stage)
    assert "860 million weights at 18 bytes: 14.4 GiB" in stage.note
    monkeypatch.setattr(capacity, "free_memory", lambda _: 12 * 2**30)
    told = "14.4 GiB, and 12.0 GiB are free"
    if device == "cuda":
        with pytest.raises(UserError, match=told) as caught:
            list(check_memory(model(SD15), settings, place, half=True))
        assert "adafactor" in caught.value.hint
        return
    _, warning = check_memory(model(SD15), settings, place, half=True)
    assert isinstance(warning, Warned)
    assert told in warning.message


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({"save_every_epochs": 1}, 4),
        ({"save_every_epochs": 3}, 2),
        ({"save_every_epochs": 0}, 1),
        ({"save_every_epochs": 0, "save_every_steps": 3}, 3),
        ({"save_every_epochs": 2, "save_every_steps": 4}, 2),
    ],
)
def test_saves_are_counted(settings: dict[str, Any], count: int) -> None:
    made = TrainSettings(batch_size=2, epochs=4, **settings)
    schedule = Schedule.make([toy_image(number) for number in range(4)], made, 1)
    assert schedule.steps == 8
    assert count_saves(made, schedule) == count


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_the_disk_that_a_run_needs_is_what_it_takes(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    base = BaseModel.open(write_single_file(tmp_path / "base.safetensors", parts(family, SMALL)))
    run = full_run(make_run, base.path, max_steps=2, save_every_steps=1, save_precision="fp16")
    job = job_in(tmp_path)
    summary, found = finish(run, job)
    assert not any(isinstance(e, Warned) and "disk" in e.message for e in found)
    file, (state,) = run.project / summary["lora"], states(job.directory / "state")
    predicted = checkpoint_bytes(base, ["unet"], "fp16")
    assert predicted == file.stat().st_size - read_header(file).data_start
    kept = state_bytes(weight_shapes(base, ["unet"]), run.train)
    assert kept == pytest.approx(state.stat().st_size - read_header(state).data_start, rel=0.01)
    schedule = Schedule.make([toy_image(number) for number in range(4)], run.train, 1)
    needed = 2 * predicted + 2 * kept
    for free, warned in ((needed, False), (needed - 1, True)):
        usage = SimpleNamespace(free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert bool(list(disk_warnings(run, base, schedule, tmp_path / "state"))) is warned
    folder = BaseModel.open(write_folder(tmp_path / "folder", parts(family, SMALL)))
    assert checkpoint_bytes(folder, ["unet"], "fp16") == predicted
    torch.save({"state_dict": tensors_of(parts(family, SMALL))}, tmp_path / "old.ckpt")
    old = BaseModel.open(tmp_path / "old.ckpt")
    assert checkpoint_bytes(old, ["unet"], "fp16") == predicted
