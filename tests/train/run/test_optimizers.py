"""The loop with each optimiser: resumed exactly, and looked at without being changed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.events import Event, Finished, Metric, Saved
from tests.train.optim.weights import EACH, SETTINGS
from tests.train.tiny import MakeRun
from tests.train.toy import toy_image, toy_training, trained, weights
from train.lora.file import read_header
from train.networks.saved import load_lora
from train.run import loop
from train.run.checkpoint import load_newest
from train.run.processes import ProcessGroup

IMAGES = [toy_image(number) for number in range(3)]
SAVING = {"save_every_epochs": 0, "save_every_steps": 2, "scheduler": "constant"}


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, until: int = 0, **settings: Any
) -> tuple[Any, list[Event]]:
    """Train until after the state of a step was saved, or to the end; resume what is there."""
    folder.mkdir(exist_ok=True)
    values = {"learning_rate": 0.1, **SETTINGS[name], "optimizer": name, **SAVING, **settings}
    held = [toy_image(8)]
    training, _ = toy_training(folder, IMAGES, held_out=held, batch_size=2, epochs=4, **values)
    if found := load_newest(training.states, training.network, training.stepper):
        training.counters = found[0]
    events: list[Event] = []
    for event in trained(training, monkeypatch):
        events.append(event)
        if until and isinstance(event, Saved) and event.step == until:
            break
    return training, events


def saved_weights(folder: Path) -> Tensor:
    tensors = load_lora(folder / "lora" / "toy.safetensors")
    return torch.cat([tensors[name].flatten() for name in sorted(tensors)])


@pytest.mark.parametrize("name", EACH)
def test_a_run_that_is_resumed_ends_like_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    whole, found = run(tmp_path / "whole", monkeypatch, name)
    run(tmp_path / "broken", monkeypatch, name, until=4)
    again, later = run(tmp_path / "broken", monkeypatch, name)
    losses = [e.loss for e in found if isinstance(e, Metric) and e.loss is not None]
    resumed = [e.loss for e in later if isinstance(e, Metric) and e.loss is not None]
    assert len(losses) == 8
    assert resumed == losses[4:]
    assert torch.equal(weights(again), weights(whole))
    assert torch.equal(saved_weights(tmp_path / "broken"), saved_weights(tmp_path / "whole"))


@pytest.mark.parametrize("name", ["adamw", "schedulefree"])
def test_a_run_that_saves_and_validates_often_learns_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Averaging optimisers move the weights for every save, and must bring back every bit."""
    seldom, _ = run(tmp_path / "a", monkeypatch, name, save_every_steps=0, validate_every_epochs=9)
    often, _ = run(tmp_path / "b", monkeypatch, name, save_every_steps=1, validate_every_epochs=1)
    assert torch.equal(weights(seldom), weights(often))
    (one, text), (other, same) = seldom.stepper.state(), often.stepper.state()
    assert text == same
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def test_files_and_validation_are_of_the_averaged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Tensor] = []
    measure = loop.validate  # type: ignore[attr-defined]

    def noted(training: Any) -> Any:
        measured.append(weights(training))
        return measure(training)

    monkeypatch.setattr(loop, "validate", noted)
    training, _ = run(tmp_path, monkeypatch, "schedulefree", save_precision="fp32")
    with training.stepper.inference_weights():
        delivered = weights(training)
    assert not torch.allclose(delivered, weights(training), atol=1e-4)
    assert torch.equal(measured[-1], delivered)
    tensors = load_lora(tmp_path / "lora" / "toy.safetensors")
    kept = torch.cat([t.flatten() for key, t in tensors.items() if not key.endswith("alpha")])
    assert torch.equal(kept, delivered)
    # The state holds the weights of training, which the run goes on with.
    again, _ = toy_training(tmp_path, IMAGES, optimizer="schedulefree", **SETTINGS["schedulefree"])
    load_newest(training.states, again.network, again.stepper)
    assert torch.equal(weights(again), weights(training))


@pytest.mark.parametrize("name", ["prodigy", "adafactor", "schedulefree"])
def test_a_real_run_names_its_optimiser_in_the_file(
    make_run: MakeRun, tmp_path: Path, name: str
) -> None:
    """Over a UNet and a text encoder, two groups, in the loop that users run."""
    from prep.system import jobs

    made = make_run(
        max_steps=2,
        optimizer=name,
        scheduler="constant",
        learning_rate=1.0 if name == "prodigy" else 1e-3,
        optimizer_args={"weight_decay": 0.25},
        multires_noise_iterations=3,
        noise_offset=0.1,
        noise_offset_random_strength=True,
        ip_noise_gamma=0.1,
        loss_type="smooth_l1",
        huber_schedule="exponential",
        min_snr_gamma=0,
        debiased_estimation_loss=True,
        prior_loss_weight=0.5,
        warmup_steps=0.5,
    )  # fmt: skip
    job = jobs.Job(tmp_path / "job")
    job.directory.mkdir()
    *_, last = loop.train(made, job, ProcessGroup(torch.device("cpu")))
    assert isinstance(last, Finished)
    metadata = read_header(made.project / last.summary["lora"]).metadata
    assert "weight_decay=0.25" in metadata["ss_optimizer"]
    assert name.split("w")[0] in metadata["ss_optimizer"].lower()
    expected = {
        "ss_lr_scheduler": "constant",
        "ss_lr_warmup_steps": "1",
        "ss_multires_noise_iterations": "3",
        "ss_multires_noise_discount": "0.3",
        "ss_noise_offset": "0.1",
        "ss_noise_offset_random_strength": "True",
        "ss_adaptive_noise_scale": "None",
        "ss_ip_noise_gamma": "0.1",
        "ss_ip_noise_gamma_random_strength": "False",
        "ss_loss_type": "smooth_l1",
        "ss_huber_schedule": "exponential",
        "ss_huber_c": "0.1",
        "ss_huber_scale": "1.0",
        "ss_min_snr_gamma": "None",
        "ss_debiased_estimation": "True",
        "ss_prior_loss_weight": "0.5",
    }
    assert {key: metadata.get(key) for key in expected} == expected
