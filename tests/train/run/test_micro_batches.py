"""Memory that runs out over a batch: it is computed in parts, and nothing else changes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from prep.errors import UserError
from prep.events import Metric, Probed, Warned
from prep.images.buckets import Fit
from prep.system import jobs
from tests.train.tiny import MakeRun
from tests.train.toy import (
    ALONE,
    Recorded,
    sgd,
    steps,
    toy_image,
    toy_training,
    trained,
    weights,
)
from train.config import RunConfig
from train.data.dataset import Exposure
from train.families.sd15 import StableDiffusion15
from train.run.loop import train
from train.run.micro_batches import MicroBatches
from train.run.prepare import Training

IMAGES = [toy_image(number) for number in range(8)]
SETTINGS: dict[str, Any] = {
    "batch_size": 4,
    "gradient_accumulation": 2,
    "epochs": 4,
    "noise_offset": 0.1,
    "multires_noise_iterations": 2,
    "ip_noise_gamma": 0.1,
    "learning_rate": 0.002,
    "max_grad_norm": 0.0,  # of clipped gradients of this model only the sign would be seen
}


class FullInBackward(torch.autograd.Function):
    """The identity; its gradient does not fit into memory."""

    @staticmethod
    def forward(_context: Any, tensor: Tensor) -> Tensor:
        return tensor.clone()

    @staticmethod
    def backward(_context: Any, *_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


Fits = Callable[[int, int], bool]
"""Does a number of images (second) fit into memory in a step (first)?"""


def limit(training: Training, fits: Fits, *, backward: bool = False) -> list[tuple[int, int]]:
    """Let memory run out; return a list of (step, images) of all attempts, which grows."""
    predict, attempts = training.model.predict, []

    def predicted(noisy: Tensor, *rest: Any) -> Tensor:
        attempts.append((training.counters.step, len(noisy)))
        found = predict(noisy, *rest)
        if fits(*attempts[-1]):
            return found
        if backward:
            full: Tensor = FullInBackward.apply(found)  # type: ignore[no-untyped-call]
            return full
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    model: Any = training.model
    model.predict = predicted
    return attempts


def toy(folder: Path, images: int = 5, **settings: Any) -> tuple[Training, Recorded]:
    return toy_training(folder, IMAGES[:images], deviation=0.3, **SETTINGS | settings)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_losses_and_weights_are_those_of_a_run_that_fits(
    tmp_path: Path, most: int, backward: bool
) -> None:
    """The second batch of a step runs out as well, after gradients were added."""
    whole, _ = toy(tmp_path, images=8, made_by=sgd)
    expected = steps(whole, 4)
    parts, _ = toy(tmp_path, images=8, made_by=sgd)
    attempts = limit(
        parts,
        lambda step, count: count <= most or step < 1 or attempts.count((1, count)) == 1,
        backward=backward,
    )
    assert steps(parts, 4) == pytest.approx(expected, rel=1e-5)
    assert torch.allclose(weights(parts), weights(whole), atol=1e-6)
    assert [count for step, count in attempts if step == 1][:3] == [4, 4, 2]
    later = [count for step, count in attempts if step > 1]
    assert max(later) == min(most, 2), "what was found out is remembered"
    parts.ledger.settle(parts.group, 8)
    whole.ledger.settle(whole.group, 8)
    found, known = parts.ledger.tensors(), whole.ledger.tensors()
    assert torch.allclose(found["ledger.rows"], known["ledger.rows"], atol=1e-5)


def test_the_parts_of_a_batch_are_the_batch(tmp_path: Path) -> None:
    images = [toy_image(number, flip=True) for number in range(6)]
    seen = []
    for table in ({}, {"4": [4]}):
        training, recorded = toy_training(tmp_path, images, deviation=0.3, batch_size=6, seed=3)
        training.micro.restore(table, ALONE)
        steps(training, 1)
        tensors = [recorded.latents, recorded.noise, recorded.target_noise, recorded.timesteps]
        frames = [frame for frames in recorded.frames for frame in frames]
        seen.append((len(recorded.noise), [torch.cat(parts) for parts in tensors], frames))
    (one, whole, known), (two, parts, found) = seen
    assert (one, two) == (1, 2)
    assert all(map(torch.equal, whole, parts))
    assert found == known
    assert len(set(known)) == 2, "some are mirrored, and cut from the other side"


def test_only_the_step_that_ran_out_is_done_again(tmp_path: Path) -> None:
    training, _ = toy(tmp_path)
    attempts = limit(training, lambda _, count: count <= 2)
    steps(training, 2)
    first = [count for step, count in attempts if step == 0]
    assert sorted(first[first.index(4) + 1 :]) == [1, 2, 2]
    assert sorted(count for step, count in attempts if step == 1) == [1, 2, 2]


def test_runs_with_the_same_parts_have_the_same_bits(tmp_path: Path) -> None:
    def run(fits: Fits, table: dict[str, list[int]]) -> tuple[list[float], Tensor]:
        training, _ = toy(tmp_path, dropout=0.3, rank_dropout=0.2)
        training.micro.restore(table, ALONE)
        limit(training, fits)
        return steps(training, 4), weights(training)

    losses, weights_ = run(lambda _, count: count <= 2, {})
    again, same = run(lambda *_: True, {"4": [2]})
    assert losses == again
    assert torch.equal(weights_, same)


def test_every_part_drops_for_itself(tmp_path: Path) -> None:
    """A second part with the same dropout as the first would show half of its masks only."""
    training, _ = toy(tmp_path)
    seeds: list[int] = []
    predict = training.model.predict

    def noted(*arguments: Any) -> Tensor:
        seeds.append(torch.initial_seed())
        return predict(*arguments)

    model: Any = training.model
    model.predict = noted
    steps(training, 1)
    whole = list(seeds)
    training.micro.restore({"4": [2]}, ALONE)
    training.counters.step, seeds[:] = 0, []
    steps(training, 1)
    assert len(set(whole)) == len(whole) == 2
    assert len(set(seeds)) == len(seeds) == 3
    assert set(whole) < set(seeds), "the first part is seeded as the whole batch is"


def test_an_image_alone_that_does_not_fit_ends_the_run(tmp_path: Path) -> None:
    training, _ = toy(tmp_path)
    attempts = limit(training, lambda *_: False)
    with pytest.raises(UserError, match="Memory ran out"):
        steps(training, 1)
    assert attempts[-1] == (0, 1)


def test_other_faults_are_not_taken_for_memory(tmp_path: Path) -> None:
    training, _ = toy(tmp_path)

    def broken(*_: Any) -> Tensor:
        raise RuntimeError("shapes do not match")

    model: Any = training.model
    model.predict = broken
    with pytest.raises(RuntimeError, match="shapes"):
        steps(training, 1)


def test_it_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = toy(tmp_path)
    limit(training, lambda step, count: count <= 2 - step // 2)
    found = list(trained(training, monkeypatch))
    warned = [event for event in found if isinstance(event, Warned)]
    assert ["did not fit into memory" in warning.message for warning in warned] == [True]
    assert training.micro.table(ALONE) == {"4": [1]}


def test_the_trial_finds_it_out_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy(tmp_path, epochs=30, made_by=sgd)
    attempts = limit(training, lambda _, count: count <= 2)
    found = list(trained(training, monkeypatch))
    assert [count for _, count in attempts].count(4) == 1
    kinds = [type(event) for event in found if isinstance(event, Probed | Warned | Metric)]
    assert kinds[:3] == [Probed, Warned, Metric]


def sized(number: int, width: int, height: int) -> Any:
    return replace(toy_image(number), fit=Fit((width, height), (width, height), 0, 0, 1.0))


def test_what_does_not_fit_at_one_size_does_not_at_a_larger_one() -> None:
    small, middle, large = (sized(n, side, side) for n, side in enumerate((64, 96, 128)))
    micro = MicroBatches([small, middle, large])

    def batch(image: Any, count: int = 5) -> Any:
        return tuple(Exposure(image, turn) for turn in range(count))

    assert micro.halve(batch(middle))
    assert [micro.size(batch(image)) for image in (small, middle, large)] == [5, 3, 3]
    assert micro.size(batch(large, 2)) == 2
    assert micro.halve(batch(large))
    assert [micro.size(batch(image)) for image in (small, middle, large)] == [5, 3, 2]
    assert micro.halve(batch(large))
    assert not micro.halve(batch(large)), "single images cannot be halved"


# ---- a real model ----------------------------------------------------------------------------


def limit_real(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let more images than these not fit into a training step."""
    predict = StableDiffusion15.predict

    def predicted(self: StableDiffusion15, noisy: Tensor, *rest: Any) -> Tensor:
        if torch.is_grad_enabled() and len(noisy) > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return predict(self, noisy, *rest)

    monkeypatch.setattr(StableDiffusion15, "predict", predicted)


def test_a_run_that_is_resumed_goes_on_with_its_parts(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Captions of other lengths and the ranks that are masked for each image stay their own."""
    run = make_run(batch_size=4, max_steps=4, save_every_steps=2, noisy_rank_share=0.5)
    long = run.project / "images" / "00.txt"
    long.write_text("mochi, " + "a very long caption " * 12)
    run = run.model_copy(update={"train": run.train.model_copy(update={"max_token_length": 225})})
    whole = finished(run, tmp_path / "whole")
    with monkeypatch.context() as limited:
        limit_real(limited, 2)
        parts = finished(run, tmp_path / "parts")
        stream = train(run, job_in(tmp_path / "killed"), ALONE)
        for event in stream:
            if isinstance(event, Metric) and event.step == 3:
                break
        stream.close()  # type: ignore[attr-defined]
    events = list(train(run, jobs.Job(tmp_path / "killed"), ALONE))
    assert not any(isinstance(event, Warned) for event in events), "it was said before"
    resumed = load_file(run.output / f"{run.name}.safetensors")
    assert parts.keys() == whole.keys() == resumed.keys()
    for name, tensor in parts.items():
        assert torch.equal(resumed[name], tensor), name
        assert torch.allclose(whole[name], tensor, atol=1e-5), name
    assert any(not torch.equal(whole[name], tensor) for name, tensor in parts.items())


def job_in(folder: Path) -> jobs.Job:
    folder.mkdir()
    return jobs.Job(folder)


def finished(run: RunConfig, folder: Path) -> dict[str, Tensor]:
    """Train from the beginning; return the weights that were saved."""
    list(train(run, job_in(folder), ALONE))
    return load_file(run.output / f"{run.name}.safetensors")
