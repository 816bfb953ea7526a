from typing import Any

import torch

from train.config import TrainSettings
from train.optim.optimizers import make_optimizer, parameter_groups, set_learning_rate

CPU = torch.device("cpu")


def weights(count: int) -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(2)) for _ in range(count)]


def test_parts_without_parameters_have_no_group() -> None:
    unet, text = weights(2), weights(1)
    groups = parameter_groups([(unet, 1e-4), ([], 1.0), (text, 5e-5)])
    assert [(g["lr"], g["initial_lr"], len(g["params"])) for g in groups] == [
        (1e-4, 1e-4, 2),
        (5e-5, 5e-5, 1),
    ]


def test_adamw_has_the_weight_decay_of_the_settings() -> None:
    (weight,) = chosen = weights(1)
    groups = parameter_groups([(chosen, 0.5)])
    optimizer = make_optimizer(groups, TrainSettings(weight_decay=0.2), CPU)
    assert isinstance(optimizer, torch.optim.AdamW)
    weight.grad = torch.zeros(2)
    optimizer.step()
    # Without a gradient only the decay acts: 1 - rate x decay.
    assert torch.allclose(weight.detach(), torch.full((2,), 0.9))
    assert not optimizer.defaults["fused"]


def test_rates_are_shares_of_the_initial_ones_however_often_they_are_set() -> None:
    groups = parameter_groups([(weights(1), 0.4), (weights(1), 0.1)])
    optimizer = make_optimizer(groups, TrainSettings(), CPU)
    for share in (0.5, 0.25, 1.0):
        assert set_learning_rate(optimizer, share) == 0.4 * share
        found: list[Any] = [group["lr"] for group in optimizer.param_groups]
        assert found == [0.4 * share, 0.1 * share]
