"""What a base model predicts is measured before it is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.errors import ConfigError
from prep.events import Stage, Warned
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.train.toy import SIGNAL, Recorded, ToyFamily, toy_image, toy_training
from train.families.base import Conditioning
from train.run import prepare
from train.run.loop import train
from train.run.probe import judge, prediction_errors, probed
from train.run.processes import ProcessGroup


class Knowing(ToyFamily):
    """Predicts perfectly, as epsilon or as v: it knows that latents are 2 everywhere."""

    def __init__(self, predicts: str) -> None:
        super().__init__(Recorded(), "epsilon")
        self.predicts = predicts

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        keep = SIGNAL[timesteps].sqrt().view(-1, 1, 1, 1)
        add = (1 - SIGNAL[timesteps]).sqrt().view(-1, 1, 1, 1)
        latents = torch.full_like(noisy, 2.0)
        noise = (noisy - keep * latents) / add
        return noise if self.predicts == "epsilon" else keep * noise - add * latents


class Ignorant(ToyFamily):
    """Predicts nothing, and notes when it was asked to."""

    def __init__(self) -> None:
        super().__init__(Recorded(), "epsilon")
        self.asked: list[int] = []

    def predict(self, noisy: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        assert len(noisy) == len(conditioning) == 1
        self.asked.append(int(timesteps))
        return torch.zeros_like(noisy)


def test_a_model_that_predicts_nothing_is_wrong_by_all_there_is(tmp_path: Path) -> None:
    """One forward at a time, in the middle of the schedule, each of which may be stopped."""
    training, _ = toy_training(tmp_path, [toy_image(n) for n in range(4)])
    model, heeded = Ignorant(), []
    images = training.schedule.images
    errors = prediction_errors(
        model, training.cache, training.texts, images, lambda: heeded.append(len(model.asked))
    )
    assert errors == pytest.approx({"epsilon": 1.0, "v_prediction": 1.0})
    assert heeded == list(range(len(model.asked)))
    assert 1 < len(probed(images)) < len(images)
    assert model.asked == [3, 5, 7] * len(probed(images))
    assert prediction_errors(model, training.cache, training.texts, []) == {}


@pytest.mark.parametrize("predicts", ["epsilon", "v_prediction"])
def test_each_hypothesis_is_measured(tmp_path: Path, predicts: str) -> None:
    training, _ = toy_training(tmp_path, [toy_image(0), toy_image(0)])
    model = Knowing(predicts)
    errors = prediction_errors(model, training.cache, training.texts, training.schedule.images)
    assert errors.keys() == {"epsilon", "v_prediction"}
    assert errors.pop(predicts) == pytest.approx(0.0, abs=1e-6)
    assert min(errors.values()) > 0.3


def test_a_clear_contradiction_stops_with_both_figures() -> None:
    errors = {"epsilon": 0.9, "v_prediction": 0.2}
    with pytest.raises(ConfigError) as caught:
        judge(errors, "epsilon", asked_for=False, name="noob")
    assert "noob seems to predict v_prediction, not epsilon" in caught.value.message
    assert "0.900 as epsilon, 0.200 as v_prediction" in caught.value.message
    assert 'prediction = "v_prediction"' in caught.value.hint
    warned = judge(errors, "epsilon", asked_for=True, name="noob")
    assert isinstance(warned, Warned)


@pytest.mark.parametrize(
    ("errors", "prediction"),
    [
        ({"epsilon": 0.2, "v_prediction": 0.9}, "epsilon"),
        ({"epsilon": 1.0, "v_prediction": 0.7}, "epsilon"),
        ({"epsilon": float("nan"), "v_prediction": float("nan")}, "epsilon"),
        ({}, "epsilon"),
    ],
)
def test_what_is_unclear_stops_nothing(errors: dict[str, float], prediction: str) -> None:
    assert judge(errors, prediction, asked_for=False, name="noob") is None


def test_a_run_is_stopped_before_its_first_step(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contradicting(*_: Any) -> dict[str, float]:
        return {"epsilon": 0.9, "v_prediction": 0.1}

    monkeypatch.setattr(prepare, "prediction_errors", contradicting)
    (tmp_path / "job").mkdir()
    with pytest.raises(ConfigError, match="seems to predict v_prediction"):
        list(train(make_run(), jobs.Job(tmp_path / "job"), ProcessGroup(torch.device("cpu"))))
    found = train(
        make_run(prediction="epsilon", max_steps=1),
        jobs.Job(tmp_path / "job"),
        ProcessGroup(torch.device("cpu")),
    )
    events = list(found)
    assert any(isinstance(e, Warned) and "seems to predict" in e.message for e in events)
    assert any(isinstance(e, Stage) and "relative error 0.900" in (e.note or "") for e in events)
