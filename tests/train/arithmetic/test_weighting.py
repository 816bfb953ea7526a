"""How much each timestep counts, by hand."""

from typing import Any

import pytest
import torch

from prep.errors import ConfigError
from train.arithmetic.weighting import loss_weights
from train.settings.objective import ObjectiveSettings

SNR = [9.0, 1.0, 0.25]


def weights(prediction: str, snr: list[float] = SNR, **settings: Any) -> list[float]:
    chosen = ObjectiveSettings(**{"min_snr_gamma": 0.0, **settings})
    found: list[float] = loss_weights(torch.tensor(snr), prediction, chosen).tolist()
    return found


@pytest.mark.parametrize(
    ("prediction", "settings", "expected"),
    [
        ("epsilon", {}, [1.0, 1.0, 1.0]),
        ("v_prediction", {}, [1.0, 1.0, 1.0]),
        ("epsilon", {"min_snr_gamma": 5.0}, [5 / 9, 1.0, 1.0]),
        ("epsilon", {"min_snr_gamma": 0.5}, [0.5 / 9, 0.5, 1.0]),
        ("v_prediction", {"min_snr_gamma": 5.0}, [5 / 10, 1 / 2, 0.25 / 1.25]),
        ("epsilon", {"debiased_estimation_loss": True}, [1 / 3, 1.0, 2.0]),
        ("v_prediction", {"debiased_estimation_loss": True}, [0.1, 0.5, 0.8]),
        ("v_prediction", {"scale_v_pred_loss_like_noise_pred": True}, [0.9, 0.5, 0.2]),
        ("epsilon", {"v_pred_like_loss": 0.5}, [1 + 0.5 / 0.9, 2.0, 3.5]),
        (
            "v_prediction",
            {"scale_v_pred_loss_like_noise_pred": True, "min_snr_gamma": 5.0},
            [0.5 * 0.9, 0.5 * 0.5, 0.2 * 0.2],
        ),
        (
            "epsilon",
            {"v_pred_like_loss": 1.0, "min_snr_gamma": 5.0},
            [5 / 9 * (1 + 1 / 0.9), 3.0, 6.0],
        ),
    ],
)
def test_weights_by_hand(prediction: str, settings: dict[str, Any], expected: list[float]) -> None:
    assert weights(prediction, **settings) == pytest.approx(expected)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    "settings",
    [
        {"min_snr_gamma": 5.0},
        {"debiased_estimation_loss": True},
        {"scale_v_pred_loss_like_noise_pred": True},
        {"v_pred_like_loss": 1.0},
    ],
)
def test_weights_are_finite_from_pure_noise_to_nearly_none(
    prediction: str, settings: dict[str, Any]
) -> None:
    found = weights(prediction, [0.0, 1e-12, 1e6], **settings)
    assert all(0.0 <= weight < 2000 for weight in found)
    # What was there before the limits is not touched by them.
    assert (
        weights(prediction, [0.0047], **settings)
        == weights(prediction, [0.0047, 5.0], **settings)[:1]
    )


def test_limits_of_the_snr_by_hand() -> None:
    debiased = weights("epsilon", [0.0, 1e9], debiased_estimation_loss=True)
    assert debiased == pytest.approx([1e-3**-0.5, 1e3**-0.5])


def test_weightings_of_the_other_prediction_are_refused() -> None:
    scaled = ObjectiveSettings(scale_v_pred_loss_like_noise_pred=True)
    added = ObjectiveSettings(v_pred_like_loss=0.5)
    scaled.check_prediction("v_prediction")
    added.check_prediction("epsilon")
    for prediction in ("epsilon", "v_prediction"):
        ObjectiveSettings().check_prediction(prediction)
    with pytest.raises(ConfigError, match=r"scale_v_pred_loss_like_noise_pred .* predicts noise"):
        scaled.check_prediction("epsilon")
    with pytest.raises(ConfigError, match=r"v_pred_like_loss .* has v-prediction"):
        added.check_prediction("v_prediction")


def test_two_weightings_for_one_purpose_are_refused() -> None:
    with pytest.raises(ValueError, match="set min_snr_gamma = 0"):
        ObjectiveSettings(debiased_estimation_loss=True)
    assert ObjectiveSettings(debiased_estimation_loss=True, min_snr_gamma=0)
