"""What the settings of the objective do to a step, driven through the loop's own functions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from prep.events import Metric
from tests.train.toy import (
    SIGNAL,
    Recorded,
    batch_losses,
    sgd,
    steps,
    toy_image,
    toy_training,
    trained,
    weights,
)

IMAGES = [toy_image(number) for number in range(3)]


def one_batch(folder: Path, **settings: Any) -> tuple[Tensor, Recorded]:
    """Return the losses of the first batch and what the model was asked."""
    training, recorded = toy_training(folder, IMAGES, batch_size=3, seed=1, **settings)
    ((index, batch),) = training.schedule.window_of(0)
    return batch_losses(training, batch, 0, 0, index).detach(), recorded


def expected_weights(settings: dict[str, Any], prediction: str, times: Tensor) -> Tensor:
    snr = SIGNAL[times] / (1 - SIGNAL[times])
    below = snr + 1 if prediction == "v_prediction" else snr
    if gamma := settings.get("min_snr_gamma"):
        return snr.clamp(max=gamma) / below
    if settings.get("debiased_estimation_loss"):
        return below.reciprocal() if prediction == "v_prediction" else snr.rsqrt()
    if settings.get("scale_v_pred_loss_like_noise_pred"):
        return snr / (snr + 1)
    share: float = settings["v_pred_like_loss"]
    return share * (snr + 1) / snr + 1


@pytest.mark.parametrize(
    ("prediction", "settings"),
    [
        ("epsilon", {"min_snr_gamma": 0.5}),
        ("v_prediction", {"min_snr_gamma": 0.5}),
        ("epsilon", {"debiased_estimation_loss": True}),
        ("v_prediction", {"debiased_estimation_loss": True}),
        ("v_prediction", {"scale_v_pred_loss_like_noise_pred": True}),
        ("epsilon", {"v_pred_like_loss": 0.5}),
    ],
)
def test_timesteps_weigh_the_loss_of_each_image(
    tmp_path: Path, prediction: str, settings: dict[str, Any]
) -> None:
    off: dict[str, Any] = {"min_snr_gamma": 0.0, "prediction": prediction}
    (plain, first), (weighted, second) = (
        one_batch(tmp_path, **off),
        one_batch(tmp_path, **off | settings),
    )
    (times,), (same,) = first.timesteps, second.timesteps
    assert torch.equal(times, same)
    expected = expected_weights(settings, prediction, times)
    assert not torch.allclose(expected, torch.ones(3), atol=0.05)
    assert torch.allclose(weighted, plain * expected, rtol=1e-4)


def test_min_snr_changes_what_a_run_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the whole loop: the losses that are reported and the weights at the end."""

    def run(gamma: float, name: str) -> tuple[list[float], Tensor]:
        (tmp_path / name).mkdir()
        training, _ = toy_training(
            tmp_path / name, IMAGES, batch_size=3, epochs=3, min_snr_gamma=gamma, made_by=sgd
        )
        found = list(trained(training, monkeypatch))
        return [e.loss for e in found if isinstance(e, Metric) and e.loss], weights(training)

    (plain, without), (damped, with_it) = run(0.0, "a"), run(0.1, "b")
    assert all(other < 0.8 * mine for mine, other in zip(plain, damped, strict=True))
    assert not torch.allclose(without, with_it, atol=1e-3)


def test_regularisation_images_count_as_set(tmp_path: Path) -> None:
    images = [toy_image(0), toy_image(1, regularization=True), toy_image(2)]

    def losses(weight: float) -> tuple[list[str], Tensor]:
        training, _ = toy_training(tmp_path, images, batch_size=3, prior_loss_weight=weight)
        ((index, batch),) = training.schedule.window_of(0)
        return [e.image.content for e in batch], batch_losses(training, batch, 0, 0, index).detach()

    (order, plain), (_, weighted) = losses(1.0), losses(0.25)
    expected = torch.tensor([0.25 if content == "1" else 1.0 for content in order])
    assert torch.allclose(weighted, plain * expected)


@pytest.mark.parametrize("kind", ["huber", "smooth_l1"])
def test_the_kind_of_loss_and_its_threshold_reach_the_step(tmp_path: Path, kind: str) -> None:
    off: dict[str, Any] = {"min_snr_gamma": 0.0, "loss_type": kind}

    def loss(**settings: Any) -> Tensor:
        return one_batch(tmp_path, **off, **settings)[0]

    squared, _ = one_batch(tmp_path, min_snr_gamma=0.0)
    wide = loss(huber_schedule="constant", huber_c=10, huber_scale=100)
    assert torch.allclose(wide, squared if kind == "huber" else squared / 1000, rtol=1e-3)
    narrow = loss(huber_schedule="constant", huber_c=0.1)
    assert not torch.allclose(narrow, squared, rtol=0.1)
    # With one timestep only, every schedule is a constant: share 0.9 of the way, SNR 1/19.
    fixed = {"min_timestep": 9}
    found = loss(huber_schedule="exponential", huber_c=0.1, huber_scale=2.0, **fixed)
    assert torch.allclose(found, loss(huber_schedule="constant", huber_c=0.1**0.9 * 2, **fixed))
    by_snr = 0.9 / (1 + 19**0.5) ** 2 + 0.1
    found = loss(huber_schedule="snr", huber_c=0.1, **fixed)
    assert torch.allclose(found, loss(huber_schedule="constant", huber_c=by_snr, **fixed))


def test_timesteps_of_a_run_stay_in_their_range(tmp_path: Path) -> None:
    training, recorded = toy_training(
        tmp_path, IMAGES, batch_size=3, epochs=30, min_timestep=3, max_timestep=6
    )
    steps(training, 30)
    assert set(torch.cat(recorded.timesteps).tolist()) == {3, 4, 5}


def test_the_offset_reaches_input_and_target_and_the_perturbation_only_the_input(
    tmp_path: Path,
) -> None:
    plain_loss, plain = one_batch(tmp_path)
    offset_loss, offset = one_batch(tmp_path, noise_offset=0.5)
    _, perturbed = one_batch(tmp_path, ip_noise_gamma=0.5)
    shift = offset.noise[0] - plain.noise[0]
    assert torch.allclose(shift, shift[:, :, :1, :1].expand_as(shift))
    assert len(set(shift[:, 0, 0, 0].tolist())) == 3
    assert torch.equal(offset.target_noise[0], offset.noise[0])
    assert torch.equal(perturbed.target_noise[0], plain.noise[0])
    assert not torch.allclose(perturbed.noise[0], plain.noise[0], atol=0.05)
    assert not torch.allclose(plain_loss, offset_loss)


OPTIONS: list[dict[str, Any]] = [
    {"noise_offset": 0.3},
    {"noise_offset": 0.3, "noise_offset_random_strength": True, "adaptive_noise_scale": 0.1},
    {"multires_noise_iterations": 3},
    {"ip_noise_gamma": 0.2, "ip_noise_gamma_random_strength": True},
    {"min_snr_gamma": 1.0},
    {"loss_type": "huber"},
    {"prior_loss_weight": 0.5},
    {"timestep_sampling": "logit_normal"},
    {"dropout": 0.3},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_an_option_does_not_change_what_is_drawn_for_others(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """Latents, timesteps and white noise stay; the offset stays below a pyramid and the like."""

    def seen(**settings: Any) -> Recorded:
        training, recorded = toy_training(
            tmp_path, IMAGES, batch_size=2, epochs=2, deviation=0.5, **settings
        )
        steps(training, 4)
        return recorded

    plain, changed = seen(), seen(**options)
    assert all(map(torch.equal, plain.latents, changed.latents))
    if "timestep_sampling" not in options:
        assert all(map(torch.equal, plain.timesteps, changed.timesteps))
    if not any("noise" in name for name in options):
        assert all(map(torch.equal, plain.noise, changed.noise))
    if "ip_noise_gamma" in options:
        assert all(map(torch.equal, plain.target_noise, changed.target_noise))
        both, offset = seen(noise_offset=0.3, **options), seen(noise_offset=0.3)
        assert all(map(torch.equal, both.target_noise, offset.target_noise))


def test_the_coin_differs_between_images_turns_and_epochs(tmp_path: Path) -> None:
    images = [toy_image(number, flip=True) for number in range(16)]
    training, recorded = toy_training(tmp_path, images, batch_size=16, epochs=2)
    steps(training, 2)
    first, second = dict(recorded.flips[:16]), dict(recorded.flips[16:])
    assert 3 < sum(first.values()) < 13
    assert first != second
