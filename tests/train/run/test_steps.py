"""The loop step by step, over a model whose arithmetic can be followed by hand."""

import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.errors import UserError
from prep.events import Metric
from tests.train.toy import (
    SIGNAL,
    Recorded,
    batch_losses,
    lora,
    sgd,
    steps,
    toy_image,
    toy_training,
    trained,
    weights,
)
from train.networks.trained import Drops
from train.optim.schedules import factor
from train.run import gradients
from train.run.loop import optimise
from train.run.objective import fixed_loss

IMAGES = [toy_image(number) for number in range(3)]


# ---- what a step sees ------------------------------------------------------------------------


def test_every_batch_of_every_step_meets_its_own_noise_and_timesteps(tmp_path: Path) -> None:
    def seen(seed: int) -> Recorded:
        training, recorded = toy_training(
            tmp_path, IMAGES, batch_size=3, epochs=4, seed=seed, deviation=0.5
        )
        steps(training, 4)
        return recorded

    first, again, other = seen(1), seen(1), seen(2)
    for kind in ("latents", "noise"):
        tensors = getattr(first, kind)
        assert len(tensors) == 4
        # Neither two steps nor two images of a batch share theirs.
        assert len({tuple(row) for t in tensors for row in t.flatten(1).tolist()}) == 12, kind
        assert all(map(torch.equal, tensors, getattr(again, kind)))
        assert not torch.equal(tensors[0], getattr(other, kind)[0])
    drawn = torch.cat(first.timesteps)
    assert torch.equal(drawn, torch.cat(again.timesteps))
    assert not torch.equal(drawn, torch.cat(other.timesteps))
    assert len(set(drawn.tolist())) > 3
    assert set(drawn.tolist()) <= set(range(len(SIGNAL)))


def test_latents_are_drawn_from_mean_and_deviation_at_the_denoisers_scale(tmp_path: Path) -> None:
    training, recorded = toy_training(tmp_path, IMAGES, batch_size=3)
    ((index, batch),) = training.schedule.window_of(0)
    batch_losses(training, batch, 0, 0, index)
    expected = torch.tensor([2.0 * (int(e.image.content) + 1) for e in batch])
    assert torch.equal(recorded.latents[0], expected.view(3, 1, 1, 1).expand(3, 1, 2, 2))


def test_captions_and_frames_go_with_their_images(tmp_path: Path) -> None:
    training, recorded = toy_training(tmp_path, IMAGES, batch_size=3)
    ((index, batch),) = training.schedule.window_of(0)
    batch_losses(training, batch, 0, 0, index)
    assert recorded.captions == [[exposure.image.caption for exposure in batch]]
    (frames,) = recorded.frames
    assert {(f.original, f.corner, f.target) for f in frames} == {((6, 4), (1, 0), (2, 2))}


def test_an_image_is_mirrored_in_half_of_its_exposures(tmp_path: Path) -> None:
    images = [toy_image(0, flip=True), toy_image(1)]
    training, recorded = toy_training(tmp_path, images, batch_size=1, epochs=200)
    steps(training, 400)
    shown = {name: [flip for image, flip in recorded.flips if image == name] for name in "01"}
    assert len(shown["0"]) == len(shown["1"]) == 200
    assert 70 < sum(shown["0"]) < 130
    assert not any(shown["1"])
    corners = [frame.corner for frames in recorded.frames for frame in frames]
    assert corners.count((0, 0)) == sum(shown["0"])  # cut from the other side
    assert corners.count((1, 0)) == 400 - sum(shown["0"])


# ---- what a step learns ----------------------------------------------------------------------


@pytest.mark.parametrize(("batch_size", "accumulation"), [(3, 1), (1, 3), (2, 2)])
def test_the_gradient_is_that_of_the_mean_over_the_images_of_the_step(
    tmp_path: Path, batch_size: int, accumulation: int
) -> None:
    training, _ = toy_training(
        tmp_path,
        IMAGES,
        batch_size=batch_size,
        gradient_accumulation=accumulation,
        made_by=sgd,
        learning_rate=1.0,
        max_grad_norm=0.0,
    )
    parameters = list(lora(training).parameters())
    window = training.schedule.window_of(0)
    assert sum(len(batch) for _, batch in window) == 3
    losses = torch.cat([batch_losses(training, batch, 0, 0, index) for index, batch in window])
    gradients = torch.autograd.grad(losses.mean(), parameters)
    expected = weights(training) - torch.cat([g.reshape(-1) for g in gradients])
    assert float(optimise(training)) == pytest.approx(float(losses.detach().mean()))
    assert torch.allclose(weights(training), expected)
    left = [p.grad for p in parameters]
    assert not any(g is None or g.any() for g in left), "gradients are left for the next step"


@pytest.mark.parametrize("limit", [0.0, 0.01])
def test_long_gradients_are_scaled_down(tmp_path: Path, limit: float) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, made_by=sgd, learning_rate=1.0, max_grad_norm=limit
    )
    before = weights(training)
    optimise(training)
    length = float((weights(training) - before).norm())
    assert length == pytest.approx(limit, rel=1e-3) if limit else length > 0.1


def test_the_learning_rate_of_a_step_is_that_of_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training, _ = toy_training(
        tmp_path, IMAGES, batch_size=3, epochs=8, scheduler="cosine", warmup_steps=2
    )
    used = []

    def noted(*_: Any) -> list[Tensor]:
        used.append(training.stepper.optimizer.param_groups[0]["lr"])
        return [torch.stack([p.sum() for p in lora(training).parameters()])]

    monkeypatch.setattr(gradients, "micro_losses", noted)
    found = list(trained(training, monkeypatch))
    told = [e.learning_rate for e in found if isinstance(e, Metric) and e.loss is not None]
    assert told == used == [0.1 * factor(training.settings, step, 8) for step in range(8)]
    assert used[:3] == [0.0, 0.05, 0.1]


def test_the_losses_of_a_short_run_are_these(tmp_path: Path) -> None:
    """Any change in noise, timesteps, order, weights or arithmetic moves them."""
    training, _ = toy_training(
        tmp_path,
        IMAGES,
        batch_size=2,
        epochs=3,
        seed=7,
        deviation=0.1,
        noise_offset=0.1,
        scheduler="cosine",
        learning_rate=0.02,
    )
    pinned = [2.359490, 1.554164, 3.562514, 0.627156, 4.093224, 4.217982]
    assert steps(training, 6) == pytest.approx(pinned, rel=1e-4)


# ---- validation ------------------------------------------------------------------------------


def test_validation_is_the_same_function_at_every_step(tmp_path: Path) -> None:
    held = [toy_image(8), toy_image(9)]
    training, recorded = toy_training(
        tmp_path, IMAGES, held_out=held, batch_size=3, min_snr_gamma=5.0, noise_offset=0.5
    )
    first = fixed_loss(training, training.held_out)
    training.counters.step = 5
    assert fixed_loss(training, training.held_out) == first
    half = len(recorded.noise) // 2
    assert all(map(torch.equal, recorded.noise[:half], recorded.noise[half:]))
    assert recorded.timesteps[0].tolist() == [1, 3, 6, 8]
    assert not torch.equal(recorded.noise[0], recorded.noise[1])
    # Unweighted, whatever the settings say of the training loss.
    plain, _ = toy_training(
        tmp_path, IMAGES, held_out=held, batch_size=3, min_snr_gamma=0.0, noise_offset=0.0
    )
    assert fixed_loss(plain, plain.held_out) == first
    assert lora(training).training


def test_without_held_out_images_there_is_no_validation(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES)
    assert math.isnan(fixed_loss(training, training.held_out))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"batch_size": 3, "gradient_accumulation": 2}, "gradient_checkpointing = true"),
        ({"batch_size": 1, "gradient_checkpointing": True}, "Lower the resolution or the rank"),
    ],
)
def test_memory_that_ran_out_is_told_with_the_next_smaller_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any], said: str
) -> None:
    training, _ = toy_training(tmp_path, IMAGES, **settings)

    def no_memory(*_: object) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gradients, "micro_losses", no_memory)
    with pytest.raises(UserError, match="Memory ran out") as caught:
        optimise(training)
    assert re.search(said, caught.value.hint)


def test_the_loss_scaler_of_fp16_moves_with_the_steps(tmp_path: Path) -> None:
    training, _ = toy_training(tmp_path, IMAGES, batch_size=3, epochs=4)
    training.stepper.scaler = torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    steps(training, 2)
    assert training.stepper.scaler.get_scale() == 16.0


def test_the_validation_loss_is_the_mean_over_images_without_dropout(tmp_path: Path) -> None:
    held = [toy_image(7), toy_image(8), toy_image(9)]
    alone = []
    for image in held:
        training, _ = toy_training(tmp_path, IMAGES, held_out=[image])
        alone.append(fixed_loss(training, training.held_out))
    training, _ = toy_training(tmp_path, IMAGES, held_out=held)
    for adapter in lora(training).adapters.values():
        adapter.drops = Drops(inner=0.9)  # type: ignore[assignment]
    assert fixed_loss(training, training.held_out) == pytest.approx(sum(alone) / 3)
