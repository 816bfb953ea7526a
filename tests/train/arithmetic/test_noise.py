import pytest
import torch

from prep.errors import UserError
from train.arithmetic.loss import per_image, squared_error
from train.arithmetic.noise import NoiseSchedule

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


def test_min_snr_by_hand() -> None:
    hand = NoiseSchedule(torch.tensor([0.9, 0.5, 0.1]), "epsilon")  # snr 9, 1, 1/9
    times = torch.arange(3)
    assert hand.loss_weights(times, 5.0).tolist() == pytest.approx([5 / 9, 1.0, 1.0])
    velocity = NoiseSchedule(torch.tensor([0.9, 0.5, 0.1]), "v_prediction")
    assert velocity.loss_weights(times, 5.0).tolist() == pytest.approx(
        [5 / 10, 1 / 2, (1 / 9) / (10 / 9)]
    )
    assert hand.loss_weights(times, 0.0).tolist() == [1.0, 1.0, 1.0]


def test_weights_are_finite_where_no_signal_is_left() -> None:
    for prediction in ("epsilon", "v_prediction"):
        weights = schedule(prediction, zero=True).loss_weights(torch.tensor([999]), 5.0)
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


def test_errors_are_per_pixel_in_float32() -> None:
    predicted = torch.tensor([1.0, 3.0], dtype=torch.bfloat16).view(2, 1, 1, 1)
    errors = squared_error(predicted, torch.zeros(2, 1, 1, 1))
    assert errors.flatten().tolist() == [1.0, 9.0]
    assert (errors.shape, errors.dtype) == ((2, 1, 1, 1), torch.float32)


def test_the_loss_is_reduced_after_every_weight() -> None:
    errors = torch.tensor([[1.0, 3.0], [2.0, 6.0]]).view(2, 1, 1, 2)
    assert per_image(errors).tolist() == [2.0, 4.0]
    assert per_image(errors, torch.tensor([0.5, 2.0])).tolist() == [1.0, 8.0]
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.5]]).view(2, 1, 1, 2)
    assert per_image(errors, mask).tolist() == [0.5, 1.5]
    assert per_image(errors, torch.tensor([4.0, 1.0]), mask).tolist() == [2.0, 1.5]
