"""The error of a pixel, and how pixels become one loss for each image."""

from typing import Any

import pytest
import torch

from train.arithmetic.loss import huber_threshold, per_image, pixel_errors
from train.settings.objective import ObjectiveSettings


def errors(kind: Any, differences: list[float], thresholds: list[float]) -> list[float]:
    predicted = torch.tensor(differences).view(-1, 1, 1, 1)
    threshold = torch.tensor(thresholds)
    return pixel_errors(predicted, torch.zeros_like(predicted), kind, threshold).flatten().tolist()


def test_errors_are_per_pixel_in_float32() -> None:
    predicted = torch.tensor([1.0, 3.0], dtype=torch.bfloat16).view(2, 1, 1, 1)
    found = pixel_errors(predicted, torch.zeros(2, 1, 1, 1))
    assert found.flatten().tolist() == [1.0, 9.0]
    assert (found.shape, found.dtype) == ((2, 1, 1, 1), torch.float32)


def test_huber_and_smooth_l1_by_hand() -> None:
    # sqrt(3² + 4²) = 5; each image has its own threshold.
    assert errors("huber", [3.0, -3.0, 0.0], [4.0, 4.0, 4.0]) == pytest.approx([8.0, 8.0, 0.0])
    assert errors("smooth_l1", [3.0, -3.0, 0.0], [4.0, 4.0, 4.0]) == pytest.approx([2.0, 2.0, 0.0])
    assert errors("huber", [3.0, 12.0], [4.0, 5.0]) == pytest.approx([8.0, 80.0])
    assert errors("l2", [3.0], [4.0]) == [9.0]


def test_huber_is_the_squared_error_of_small_differences_and_straight_beyond() -> None:
    assert errors("huber", [0.01], [1.0])[0] == pytest.approx(1e-4, rel=1e-2)
    assert errors("huber", [0.01], [1000.0])[0] == pytest.approx(1e-4, rel=1e-5)
    far, farther = errors("huber", [100.0, 101.0], [0.1, 0.1])
    assert farther - far == pytest.approx(2 * 0.1, rel=1e-2)
    far, farther = errors("smooth_l1", [100.0, 101.0], [0.1, 0.1])
    assert farther - far == pytest.approx(2.0, rel=1e-2)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"huber_schedule": "constant", "huber_c": 0.2, "huber_scale": 3.0}, [0.6, 0.6, 0.6]),
        (
            {"huber_schedule": "exponential", "huber_c": 0.25, "huber_scale": 2.0},
            [2.0, 2.0 * 0.5, 2.0 * 0.25],
        ),
        # Noise over signal is 1/3, 1, infinite.
        ({"huber_schedule": "snr", "huber_c": 0.1}, [0.9 / (4 / 3) ** 2 + 0.1, 0.325, 0.1]),
        ({"huber_schedule": "snr", "huber_c": 0.1, "huber_scale": 9.0}, [0.60625, 0.325, 0.1]),
    ],
)
def test_thresholds_by_hand(settings: dict[str, Any], expected: list[float]) -> None:
    times, snr = torch.tensor([0, 5, 10]), torch.tensor([9.0, 1.0, 0.0])
    found = huber_threshold(times, snr, 10, ObjectiveSettings(**settings))
    assert found.tolist() == pytest.approx(expected)


def test_the_loss_is_reduced_after_every_weight() -> None:
    found = torch.tensor([[1.0, 3.0], [2.0, 6.0]]).view(2, 1, 1, 2)
    assert per_image(found).tolist() == [2.0, 4.0]
    assert per_image(found, torch.tensor([0.5, 2.0])).tolist() == [1.0, 8.0]
    mask = torch.tensor([[1.0, 0.0], [0.0, 0.5]]).view(2, 1, 1, 2)
    assert per_image(found, mask).tolist() == [0.5, 1.5]
    assert per_image(found, torch.tensor([4.0, 1.0]), mask).tolist() == [2.0, 1.5]


def test_a_mask_counts_for_all_channels_and_does_not_change_the_divisor() -> None:
    found = torch.ones(2, 4, 2, 3)
    mask = torch.zeros(2, 1, 2, 3)
    mask[0, 0, 0, 0], mask[1] = 1.0, 0.5
    assert per_image(found, mask).tolist() == pytest.approx([1 / 6, 0.5])
