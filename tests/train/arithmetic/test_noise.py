from typing import Any

import pytest
import torch

from prep.errors import UserError
from train.arithmetic.noise import NoiseSchedule
from train.settings.objective import ObjectiveSettings

PLAIN, MIN_SNR = ObjectiveSettings(min_snr_gamma=0.0), ObjectiveSettings(min_snr_gamma=5.0)
CONFIG = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}


def schedule(prediction: str = "epsilon", *, zero: bool = False) -> NoiseSchedule:
    return NoiseSchedule.from_config(
        {**CONFIG, "prediction_type": prediction, "rescale_betas_zero_snr": zero}
    )


def test_signal_of_stable_diffusion() -> None:
    signal = schedule().signal
    assert signal[0].item() == pytest.approx(1 - 0.00085, rel=1e-6)
    assert signal[-1].item() == pytest.approx(0.00466, abs=1e-5)
    assert schedule(zero=True).signal[-1].item() == 0.0
    assert schedule(zero=True).zero_terminal_snr
    assert not schedule().zero_terminal_snr
    assert NoiseSchedule(torch.tensor([0.9, 0.5, 0.0]), "epsilon").zero_terminal_snr
    assert not NoiseSchedule(torch.tensor([0.9, 0.0, 0.5]), "epsilon").zero_terminal_snr


def test_the_snr_is_that_of_the_fixed_schedule() -> None:
    hand = NoiseSchedule(torch.tensor([0.9, 0.5, 0.0]), "epsilon")
    assert hand.snr(torch.arange(3)).tolist() == pytest.approx([9.0, 1.0, 0.0])
    assert schedule(zero=True).snr(torch.tensor([999])).item() == 0.0
    assert schedule().snr(torch.tensor([999])).item() == pytest.approx(0.00466 / 0.99534, abs=1e-5)
    assert schedule(zero=True).snr(torch.tensor([500])) < schedule().snr(torch.tensor([500]))


def test_weights_are_finite_where_no_signal_is_left() -> None:
    for prediction in ("epsilon", "v_prediction"):
        weights = schedule(prediction, zero=True).loss_weights(torch.tensor([999]), MIN_SNR)
        assert weights.tolist() == [1.0 if prediction == "epsilon" else 0.0]


def test_targets_agree_with_diffusers() -> None:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    peer = DDPMScheduler(**CONFIG, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    ours = schedule("v_prediction", zero=True)
    latents, noise = torch.randn(3, 4, 2, 2), torch.randn(3, 4, 2, 2)
    times = torch.tensor([0, 500, 999])
    assert torch.allclose(ours.noisy(latents, noise, times), peer.add_noise(latents, noise, times))
    assert torch.allclose(
        ours.target(latents, noise, times), peer.get_velocity(latents, noise, times)
    )
    assert schedule().target(latents, noise, times) is noise


def test_v_by_hand() -> None:
    hand = NoiseSchedule(torch.tensor([0.64]), "v_prediction")
    latents, noise = torch.full((1, 1, 1, 1), 2.0), torch.full((1, 1, 1, 1), 3.0)
    times = torch.tensor([0])
    assert hand.noisy(latents, noise, times).item() == pytest.approx(0.8 * 2 + 0.6 * 3)
    assert hand.target(latents, noise, times).item() == pytest.approx(0.8 * 3 - 0.6 * 2)


def test_other_predictions_are_refused() -> None:
    with pytest.raises(UserError, match="sample"):
        schedule("sample")


# ---- timesteps -----------------------------------------------------------------------------------


def drawn(count: int = 20_000, **settings: Any) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return schedule().draw_timesteps(count, rng, ObjectiveSettings(**settings))


def test_all_timesteps_are_drawn_equally_often() -> None:
    hand = NoiseSchedule(torch.linspace(0.9, 0.1, 10), "epsilon")
    rng = torch.Generator().manual_seed(0)
    counts = torch.bincount(hand.draw_timesteps(20_000, rng, PLAIN), minlength=10)
    assert len(counts) == 10
    assert counts.min() > 1800
    assert counts.max() < 2200


@pytest.mark.parametrize("sampling", ["uniform", "logit_normal"])
def test_timesteps_stay_in_their_range(sampling: str) -> None:
    times = drawn(min_timestep=300, max_timestep=310, timestep_sampling=sampling)
    assert sorted(set(times.tolist())) == list(range(300, 310))
    assert times.dtype == torch.int64
    one = drawn(100, min_timestep=999, timestep_sampling=sampling)
    assert set(one.tolist()) == {999}
    whole = drawn(timestep_sampling=sampling)
    assert (int(whole.min()) < 30, int(whole.max()) > 970) == (True, True)


def test_the_range_ends_where_a_shorter_schedule_does() -> None:
    hand = NoiseSchedule(torch.linspace(0.9, 0.1, 10), "epsilon")
    rng = torch.Generator().manual_seed(0)
    assert set(hand.draw_timesteps(500, rng, PLAIN).tolist()) == set(range(10))
    late = ObjectiveSettings(min_timestep=500)
    assert set(hand.draw_timesteps(50, rng, late).tolist()) == {9}


def test_logit_normal_prefers_the_middle() -> None:
    times = drawn(timestep_sampling="logit_normal", min_timestep=200, max_timestep=600).float()
    assert float(times.mean()) == pytest.approx(400, abs=3)
    middle = ((times >= 300) & (times < 500)).float().mean()
    # The share of a standard normal between -ln 3 and ln 3.
    assert float(middle) == pytest.approx(0.728, abs=0.01)


@pytest.mark.parametrize(
    "settings",
    [
        {"min_timestep": 500, "max_timestep": 500},
        {"min_timestep": 1000},
        {"max_timestep": 1001},
        {"max_timestep": 0},
        {"min_timestep": 700, "max_timestep": 300},
    ],
)
def test_empty_ranges_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="timestep"):
        ObjectiveSettings(**settings)
