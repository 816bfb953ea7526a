"""The learning rate of a step, compared with transformers where it has the same schedule."""

from typing import Any

import pytest
import torch

from train.optim.schedules import factor
from train.settings.optimization import OptimizationSettings

STEPS = 40


def settings(**values: Any) -> OptimizationSettings:
    return OptimizationSettings(**values)


def ours(steps: int = STEPS, **values: Any) -> list[float]:
    return [factor(settings(**values), step, steps) for step in range(steps)]


def peer(name: str, **arguments: Any) -> list[float]:
    from transformers import optimization

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = getattr(optimization, f"get_{name}")(optimizer, **arguments)
    rates = []
    for _ in range(STEPS):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize(
    ("values", "name", "arguments"),
    [
        ({"scheduler": "constant"}, "constant_schedule_with_warmup", None),
        ({"scheduler": "linear"}, "linear_schedule_with_warmup", {}),
        ({"scheduler": "cosine"}, "cosine_schedule_with_warmup", {}),
        (
            {"scheduler": "cosine_with_restarts", "scheduler_cycles": 3},
            "cosine_with_hard_restarts_schedule_with_warmup",
            {"num_cycles": 3},
        ),
        (
            {"scheduler": "polynomial", "scheduler_power": 2.5, "scheduler_minimum": 0.25},
            "polynomial_decay_schedule_with_warmup",
            {"power": 2.5, "lr_end": 0.25},
        ),
        (
            {"scheduler": "cosine", "scheduler_minimum": 0.1},
            "cosine_with_min_lr_schedule_with_warmup",
            {"min_lr_rate": 0.1},
        ),
        (
            {"scheduler": "wsd", "scheduler_decay": 0.25},
            "wsd_schedule",
            {"num_decay_steps": 10, "decay_type": "1-sqrt"},
        ),
    ],
)
def test_rates_are_those_of_transformers(
    values: dict[str, Any], name: str, arguments: dict[str, Any] | None, warmup: int
) -> None:
    steps = {} if arguments is None else {"num_training_steps": STEPS}
    expected = peer(name, num_warmup_steps=warmup, **steps, **arguments or {})
    assert ours(**values, warmup_steps=warmup) == pytest.approx(expected, abs=1e-12)


def test_wsd_falls_to_the_minimum_from_where_its_last_part_begins() -> None:
    rates = ours(10, scheduler="wsd", scheduler_decay=0.5, scheduler_minimum=0.2)
    assert rates[:6] == [1.0] * 6
    expected = [0.2 + 0.8 * (1 - (step / 5) ** 0.5) for step in range(1, 5)]
    assert rates[6:] == pytest.approx(expected)
    assert factor(settings(scheduler="wsd", scheduler_minimum=0.2), 10, 10) == pytest.approx(0.2)


def test_a_warm_up_that_reaches_into_the_last_part_of_wsd_leaves_less_of_it() -> None:
    rates = ours(10, scheduler="wsd", scheduler_decay=0.8, warmup_steps=6)
    assert rates[:6] == pytest.approx([step / 6 for step in range(6)])
    assert rates[6:] == pytest.approx([1 - (step / 4) ** 0.5 for step in range(4)])


def test_rex_by_hand() -> None:
    assert ours(4, scheduler="rex") == pytest.approx([1.0, 0.75 / 0.875, 0.5 / 0.75, 0.25 / 0.625])
    raised = ours(4, scheduler="rex", scheduler_minimum=0.5)
    assert raised[2] == pytest.approx(0.5 + 0.5 * 0.5 / 0.75)
    late, linear = ours(scheduler="rex"), ours(scheduler="linear")
    assert all(mine > other for mine, other in zip(late[1:], linear[1:], strict=True))


@pytest.mark.parametrize(
    ("warmup", "expected"), [(0.25, 10), (0.99, 39), (0.0, 0), (1, 1), (12, 12), (0.0249, 0)]
)
def test_a_warm_up_below_one_is_a_share_of_the_run(warmup: float, expected: int) -> None:
    assert settings(warmup_steps=warmup).warmup(STEPS) == expected
    rates = ours(scheduler="constant", warmup_steps=warmup)
    assert rates == pytest.approx(
        [min(1.0, step / expected) if expected else 1.0 for step in range(STEPS)]
    )


@pytest.mark.parametrize("warmup", [1.5, 10.25, float("inf"), -1, float("nan")])
def test_a_warm_up_of_parts_of_steps_is_refused(warmup: float) -> None:
    with pytest.raises(ValueError, match="warmup_steps"):
        settings(warmup_steps=warmup)


@pytest.mark.parametrize(
    "name", ["linear", "cosine", "cosine_with_restarts", "polynomial", "rex", "wsd"]
)
def test_every_schedule_falls_from_one_to_its_minimum(name: str) -> None:
    chosen = settings(scheduler=name, scheduler_minimum=0.1)
    assert factor(chosen, 0, STEPS) == 1.0
    assert factor(chosen, STEPS, STEPS) == pytest.approx(0.1)
    assert factor(chosen, STEPS + 5, STEPS) == pytest.approx(0.1)
    rates = ours(scheduler=name)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.2


def test_a_run_that_is_all_warm_up_or_one_step_longer_ends_at_its_end() -> None:
    assert factor(settings(scheduler="cosine", warmup_steps=5), 5, 5) == 1.0
    assert factor(settings(scheduler="cosine", warmup_steps=10), 11, 11) == pytest.approx(0.0)
    assert factor(settings(scheduler="wsd", warmup_steps=5), 5, 5) == 1.0
