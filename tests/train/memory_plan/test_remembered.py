"""Peaks that were calculated before: when one may be believed, and when not."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.system.user_folder import user_folder
from train.config import RunConfig, TrainSettings
from train.families.base_model import BaseModel
from train.memory_plan import remembered
from train.memory_plan.peak import MemoryPeak, Place, peak_of
from train.memory_plan.remembered import WITHOUT_EFFECT, key_of, known_peak

CARD = Place(torch.bfloat16, is_cpu=False)
PEAK = MemoryPeak({"unet": 5, "vae": 2}, 3, 4, 6, 0, 0, ("unet",))
OTHER: dict[str, Any] = {
    "alpha": 3.0,
    "batch_size": 3,
    "betas": (0.5, 0.9),
    "block_learning_rates": {"down_blocks": 0.5},
    "block_ranks": {"down_blocks": 2},
    "chunking": "sd_scripts",
    "clip_skip": 2,
    "conv_alpha": 2.0,
    "conv_rank": 2,
    "dora_axis": "output",
    "dropout": 0.1,
    "ema_decay": 0.9,
    "eps": 1e-5,
    "gradient_checkpointing": True,
    "lokr_factor": 4,
    "lora_plus_ratio": 4.0,
    "max_grad_norm": 0.0,
    "max_norm": 1.0,
    "max_token_length": 225,
    "method": "full",
    "module_dropout": 0.1,
    "network": "loha",
    "noisy_rank_share": 0.5,
    "optimizer": "adafactor",
    "optimizer_args": {"relative_step": True},
    "rank": 8,
    "rank_dropout": 0.1,
    "rank_stabilised": True,
    "start_from": "other.safetensors",
    "text_encoder_2_learning_rate": 0.0,
    "text_encoder_learning_rate": 0.0,
    "train_feed_forward": False,
    "train_text_encoder": False,
    "train_unet": False,
    "weight_decay": 0.5,
}


def a_run(settings: TrainSettings | None = None, **values: Any) -> RunConfig:
    place = Path()
    return RunConfig(
        name="a",
        project=place,
        dataset=place,
        output=place,
        samples=place,
        cache=place,
        train=settings or TrainSettings(**{"rank": 4, **values}),
    )


@pytest.fixture
def calculated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Pretend to calculate; what was asked for grows."""
    found: list[Any] = []

    def pretended(*asked: Any) -> MemoryPeak:
        found.append(asked)
        return replace(PEAK, trained=len(found))

    monkeypatch.setattr(remembered, "peak_of", pretended)
    return found


def test_the_same_is_calculated_once(base: Path, calculated: list[Any]) -> None:
    model = BaseModel.open(base)
    first = known_peak(a_run(), model, CARD, (64, 64), (64, 64))
    slower = a_run(learning_rate=1e-3, seed=7, epochs=3, sample_steps=9, min_snr_gamma=1.0)
    again = known_peak(slower, BaseModel.open(base), CARD, (64, 64), (64, 64))
    assert first == again == replace(PEAK, trained=1)
    assert len(calculated) == 1
    assert known_peak(a_run(), model, CARD, (64, 64)).trained == 2


def test_a_real_peak_comes_back_as_it_was(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = BaseModel.open(base)
    first = known_peak(a_run(batch_size=1), model, CARD, (64, 64), (64, 64))
    monkeypatch.delattr(remembered, "peak_of")
    assert known_peak(a_run(batch_size=1), model, CARD, (64, 64), (64, 64)) == first


def test_every_setting_that_may_change_the_memory_changes_the_key(base: Path) -> None:
    model = BaseModel.open(base)
    assert OTHER.keys() == TrainSettings.model_fields.keys() - WITHOUT_EFFECT
    plain = key_of(a_run(), model, CARD, (64, 64))
    keys = {}
    for name, value in OTHER.items():
        changed = TrainSettings(rank=4).model_copy(update={name: value})
        keys[name] = key_of(a_run(changed), model, CARD, (64, 64))
    assert len({plain, *keys.values()}) == len(OTHER) + 1


def test_everything_else_that_decides_changes_the_key(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, run = BaseModel.open(base), a_run()
    keys = [key_of(run, model, CARD, (64, 64))]
    keys.append(key_of(run, model, CARD, (64, 96)))
    keys.append(key_of(run, model, CARD, (64, 64), (64, 64)))
    keys.append(key_of(run, model, replace(CARD, dtype=torch.float32), (64, 64)))
    keys.append(key_of(run, model, replace(CARD, is_cpu=True), (64, 64)))
    for component, config in model.configs.items():
        changed = {**model.configs, component: {**config, "layers": 99}}
        keys.append(key_of(run, replace(model, configs=changed), CARD, (64, 64)))
    keys.append(key_of(run.model_copy(update={"family": "sdxl"}), model, CARD, (64, 64)))
    with monkeypatch.context() as patched:
        patched.setattr(remembered, "version", lambda name: "0.0")
        keys.append(key_of(run, model, CARD, (64, 64)))
    monkeypatch.setattr(remembered, "_code", lambda: "other")
    keys.append(key_of(run, model, CARD, (64, 64)))
    assert len(set(keys)) == len(keys)


class Watched(TrainSettings):
    """Notes which settings are read."""

    def __getattribute__(self, name: str) -> Any:
        if name in TrainSettings.model_fields:
            READ.add(name)
        return super().__getattribute__(name)


READ: set[str] = set()


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"gradient_checkpointing": True, "train_text_encoder": False, "ema_decay": 0.9},
        {"network": "lokr", "conv_rank": 2, "optimizer": "adafactor", "max_token_length": 225},
        {"network": "dora", "max_norm": 1.0, "noisy_rank_share": 0.5, "optimizer": "lion"},
    ],
)
def test_the_calculation_reads_no_setting_that_is_left_out(
    base: Path, values: dict[str, Any]
) -> None:
    """The learning rate and the seed are handed on, and change nothing but numbers."""
    run = a_run(Watched(rank=4, batch_size=1, **values))
    READ.clear()
    peak_of(run, BaseModel.open(base), CARD, (64, 64), (64, 64))
    assert {"rank", "batch_size", "optimizer"} <= READ
    assert {"learning_rate", "seed"} >= READ & WITHOUT_EFFECT


def test_an_optimiser_of_somebodys_own_is_not_remembered(base: Path, calculated: list[Any]) -> None:
    for _ in range(2):
        run = a_run(optimizer="torch.optim.SGD")
        known_peak(run, BaseModel.open(base), CARD, (64, 64))
    assert len(calculated) == 2


@pytest.mark.parametrize(
    "text", ["", "[]", "no json", '{"KEY": 3}', '{"KEY": {"weights": {}}}', '{"KEY": null}']
)
def test_a_damaged_file_is_calculated_again(base: Path, calculated: list[Any], text: str) -> None:
    model, file = BaseModel.open(base), user_folder() / "memory-plans.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text.replace("KEY", key_of(a_run(), model, CARD, (64, 64))))
    for _ in range(2):
        assert known_peak(a_run(), model, CARD, (64, 64)).trained == 1
    assert len(calculated) == 1


def test_a_peak_of_nothing_is_calculated_again(base: Path, calculated: list[Any]) -> None:
    model, file = BaseModel.open(base), user_folder() / "memory-plans.json"
    nothing = MemoryPeak(dict.fromkeys(PEAK.weights, 0), 0, 0, 0, 0, 0, ())
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({key_of(a_run(), model, CARD, (64, 64)): asdict(nothing)}))
    assert known_peak(a_run(), model, CARD, (64, 64)).trained == 1


def test_a_change_anywhere_in_the_trainer_is_another_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = (tmp_path / name / "a.py" for name in ("memory_plan", "networks"))
    for file in (here, elsewhere):
        file.parent.mkdir()
        file.touch()
    monkeypatch.setattr(remembered, "__file__", str(here))
    found = {remembered._code.__wrapped__()}
    for file in (here, elsewhere):
        file.write_text("changed = True")
        found.add(remembered._code.__wrapped__())
    assert len(found) == 3


def test_a_folder_that_cannot_be_written_is_no_fault(base: Path, calculated: list[Any]) -> None:
    user_folder().parent.mkdir(parents=True, exist_ok=True)
    user_folder().write_text("a file in its place")
    assert known_peak(a_run(), BaseModel.open(base), CARD, (64, 64)).trained == 1
    assert known_peak(a_run(), BaseModel.open(base), CARD, (64, 64)).trained == 2


def test_the_oldest_are_forgotten(
    base: Path, calculated: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "_REMEMBERED", 2)
    model = BaseModel.open(base)
    for rank in (1, 2, 3, 3, 2):
        known_peak(a_run(rank=rank), model, CARD, (64, 64))
    assert len(calculated) == 3
    known_peak(a_run(rank=1), model, CARD, (64, 64))
    assert len(calculated) == 4
    assert len(json.loads((user_folder() / "memory-plans.json").read_text())) == 2
