"""Optimisers by name, with one parameter group for each part of the model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from train.config import TrainSettings

ParameterGroup = dict[str, Any]
"""``params``, ``lr``, and ``initial_lr``, which schedules multiply."""


def parameter_groups(parts: Sequence[tuple[list[nn.Parameter], float]]) -> list[ParameterGroup]:
    """Return the groups of (parameters, learning rate); parts without parameters are left out."""
    return [{"params": params, "lr": rate, "initial_lr": rate} for params, rate in parts if params]


def _adamw(
    groups: list[ParameterGroup], settings: TrainSettings, device: torch.device
) -> torch.optim.Optimizer:
    fused = device.type == "cuda"
    return torch.optim.AdamW(groups, weight_decay=settings.weight_decay, fused=fused)


OPTIMIZERS: Mapping[
    str, Callable[[list[ParameterGroup], TrainSettings, torch.device], torch.optim.Optimizer]
] = {"adamw": _adamw}
"""What ``optimizer`` in the settings may name."""


def make_optimizer(
    groups: list[ParameterGroup], settings: TrainSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name.

    Args:
        groups: From ``parameter_groups``.
        settings: Of the run.
        device: Where the parameters are.
    """
    return OPTIMIZERS[settings.optimizer](groups, settings, device)


def set_learning_rate(optimizer: torch.optim.Optimizer, share: float) -> float:
    """Set every group's rate to ``share`` of its initial one; return that of the first group."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share
    return float(optimizer.param_groups[0]["lr"])
