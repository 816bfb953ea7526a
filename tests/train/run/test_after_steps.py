"""What follows a step: saving, validating, sampling, reports, and states to resume from."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prep.errors import UserError
from prep.events import Event, Finished, Metric, Sample, Saved, Warned
from tests.train.toy import lora, steps, toy_image, toy_stepper, toy_training, trained, weights
from train.networks.build import fresh_network
from train.networks.ranks import Ranks
from train.networks.saved import load_lora
from train.optim.flat import FlatGroup
from train.run.checkpoint import Counters, load_state, save_state, states
from train.run.prepare import Training

IMAGES = [toy_image(number) for number in range(3)]


# ---- what follows a step ---------------------------------------------------------------------


def kinds(found: list[Event]) -> list[str]:
    names = []
    for event in found:
        if isinstance(event, Metric):
            names.append("step" if event.loss is not None else "validate")
        elif isinstance(event, Saved | Sample | Warned | Finished):
            names.append(type(event).__name__.lower())
    return names


def test_a_step_is_saved_then_validated_then_sampled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, held_out=[toy_image(9)], batch_size=3, epochs=2, pictures=1
    )
    found = list(trained(training, monkeypatch))
    turn = ["step", "saved", "validate", "sample"]
    assert kinds(found) == ["validate", *turn, *turn, "finished"]
    saved = [event.path for event in found if isinstance(event, Saved)]
    assert saved == ["lora/toy-000001.safetensors", "lora/toy.safetensors"]
    assert [event.epoch for event in found if isinstance(event, Saved)] == [1, 2]
    last = found[-1]
    assert isinstance(last, Finished)
    assert last.summary["lora"] == saved[-1]


@pytest.mark.parametrize(
    ("error", "said"), [(UserError("Memory ran out.", ""), "Memory ran out."), (OSError(28), "28")]
)
def test_a_sample_that_fails_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=1, pictures=2, failing=error)
    found = list(trained(training, monkeypatch))
    assert kinds(found) == ["step", "saved", "warned", "warned", "finished"]
    assert said in next(e for e in found if isinstance(e, Warned)).message
    assert lora(training).training
    assert load_lora(tmp_path / "lora" / "toy.safetensors")


def test_a_run_that_died_after_its_last_save_is_still_validated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, held_out=[toy_image(9)], batch_size=3, epochs=1, validate_every_epochs=1
    )
    for event in trained(training, monkeypatch):
        if isinstance(event, Saved):
            break
    assert training.counters.validated == 0
    found = list(trained(training, monkeypatch))
    assert kinds(found) == ["validate", "finished"]
    measured, last = found[-2:]
    assert isinstance(measured, Metric)
    assert isinstance(last, Finished)
    assert last.summary["val_loss_after"] == measured.val_loss


def test_states_are_kept_of_the_last_two_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=4)
    list(trained(training, monkeypatch))
    assert [path.stem for path in states(training.states)] == ["step00000003", "step00000004"]


# ---- what is reported, and when what is due ------------------------------------------------------


def metrics(found: list[Event]) -> list[Metric]:
    return [event for event in found if isinstance(event, Metric)]


def test_epochs_count_from_one_in_all_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, held_out=[toy_image(9)], batch_size=2, epochs=2)
    found = list(trained(training, monkeypatch))
    assert [(m.step, m.epoch) for m in metrics(found) if m.loss is not None] == [
        (1, 1),
        (2, 1),
        (3, 2),
        (4, 2),
    ]
    assert [(m.step, m.epoch) for m in metrics(found) if m.val_loss is not None] == [
        (0, 1),
        (2, 1),
        (4, 2),
    ]
    assert [(e.step, e.epoch) for e in found if isinstance(e, Saved)] == [(2, 1), (4, 2)]


def test_the_summary_says_how_it_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = toy_training(tmp_path, IMAGES, held_out=[toy_image(9)], batch_size=3, epochs=3)
    clock = iter(range(1000))
    monkeypatch.setattr("train.run.monitor.time.monotonic", lambda: float(next(clock)))
    found = list(trained(training, monkeypatch))
    last = found[-1]
    assert isinstance(last, Finished)
    # The clock ticks once a question: when a step begins, and when its loss is read.
    assert training.counters.seconds == 3.0
    assert last.summary["it_per_s"] == 1.0
    values = [m.val_loss for m in metrics(found) if m.val_loss is not None]
    assert last.summary["val_loss_before"] == values[0]
    assert last.summary["val_loss_after"] == values[-1]
    assert values[0] != values[-1]


@pytest.mark.parametrize(
    ("settings", "files", "sampled"),
    [
        ({}, ["toy-000001", "toy-000002", "toy"], [2, 4, 6]),
        ({"save_every_epochs": 2, "sample_every_epochs": 2}, ["toy-000002", "toy"], [4, 6]),
        ({"save_every_epochs": 0, "sample_every_epochs": 0}, ["toy"], []),
        (
            {"save_every_epochs": 0, "save_every_steps": 3, "sample_every_epochs": 3},
            ["toy-step00000003", "toy"],
            [6],
        ),
        (
            {"save_every_epochs": 0, "sample_every_epochs": 0, "sample_every_steps": 4},
            ["toy"],
            [4, 6],
        ),
    ],
)
def test_what_is_due_is_done_and_nothing_else(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    files: list[str],
    sampled: list[int],
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=2, epochs=3, pictures=1, **settings)
    found = list(trained(training, monkeypatch))
    assert [Path(e.path).stem for e in found if isinstance(e, Saved)] == files
    assert [e.step for e in found if isinstance(e, Sample)] == sampled
    assert all((tmp_path / "lora" / f"{name}.safetensors").is_file() for name in files)


def test_samples_that_fail_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, epochs=1, pictures=2, failing=ValueError("odd")
    )
    found = list(trained(training, monkeypatch))
    told = [event.message for event in found if isinstance(event, Warned)]
    assert [text.partition(" failed")[0] for text in told] == [
        "Sample 1 after step 1",
        "Sample 2 after step 1",
    ]


# ---- states --------------------------------------------------------------------------------------


def test_a_state_brings_back_weights_optimizer_and_counters(tmp_path: Path) -> None:
    def run() -> Training:
        return toy_training(tmp_path, IMAGES, batch_size=2, epochs=4)[0]

    first = run()
    steps(first, 3)
    first.counters.seconds, first.counters.val_loss_before = 12.5, 0.75
    first.counters.scaler = {"scale": 4.0}
    path = save_state(first.states, first.network, first.stepper, first.counters)
    assert path.name == "step00000003.safetensors"
    again = run()
    again.counters = load_state(path, again.network, again.stepper)
    assert again.counters == first.counters
    assert torch.equal(weights(again), weights(first))
    steps(first, 2)
    steps(again, 2)
    assert torch.equal(weights(again), weights(first))


def test_a_state_of_another_network_is_refused(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES)
    path = save_state(training.states, training.network, training.stepper, training.counters)
    layer, settings = torch.nn.Linear(3, 3), training.settings
    other = fresh_network({"lora_unet_b": layer}, Ranks(2, 1.0))
    with pytest.raises(UserError, match="other settings") as caught:
        load_state(path, other, toy_stepper([FlatGroup(list(other.parameters()), 0.1)], settings))
    assert "new run" in caught.value.hint


def test_the_average_loss_forgets_slowly() -> None:
    counters = Counters()
    for step in range(1, 51):
        counters.add_loss(step, 2.0)
    assert counters.average_loss == 2.0
    counters.add_loss(51, 7.0)
    assert counters.average_loss == pytest.approx(2.1)
    early = Counters()
    for step, loss in enumerate((1.0, 2.0, 6.0), start=1):
        early.add_loss(step, loss)
    assert early.average_loss == pytest.approx(3.0)
