import math

import pytest
import torch

from train.optim.schedules import factor


@pytest.mark.parametrize("name", ["constant", "cosine"])
@pytest.mark.parametrize("warmup", [0, 7])
def test_rates_are_those_of_transformers(name: str, warmup: int) -> None:
    from transformers.optimization import (
        get_constant_schedule_with_warmup,
        get_cosine_schedule_with_warmup,
    )

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    if name == "cosine":
        peer = get_cosine_schedule_with_warmup(optimizer, warmup, 40)
    else:
        peer = get_constant_schedule_with_warmup(optimizer, warmup)
    for step in range(40):
        ours = factor(name, step, 40, warmup)  # type: ignore[arg-type]
        assert ours == pytest.approx(peer.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        peer.step()


def test_cosine_ends_at_zero() -> None:
    assert factor("cosine", 40, 40, 0) == pytest.approx(0.0)
    assert factor("cosine", 20, 40, 0) == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))


def test_a_run_that_is_all_warm_up_or_one_step_longer_ends_at_its_end() -> None:
    assert factor("cosine", 5, 5, 5) == 1.0
    assert factor("cosine", 11, 11, 10) == pytest.approx(0.0)
