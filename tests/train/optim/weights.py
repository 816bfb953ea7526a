"""Weights for tests of optimisers: matrices, a convolution, odd sizes, and one of zeros."""

from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import nn

from train.optim.flat import FlatGroup
from train.optim.optimizers import make_optimizer
from train.optim.stepper import Stepper
from train.settings.optimization import OptimizationSettings

CPU = torch.device("cpu")
SHAPES = ((64, 80), (5,), (16, 8), (), (4, 3, 3, 3), (7, 3))
"""The first group is large enough for states of 8 bits, and its end fills no block."""
SETTINGS: dict[str, dict[str, Any]] = {
    "adamw": {"learning_rate": 0.05},
    "adamw8bit": {"learning_rate": 0.05},
    "lion": {"learning_rate": 0.01},
    "lion8bit": {"learning_rate": 0.01},
    "adafactor": {"learning_rate": 0.05},
    "prodigy": {"learning_rate": 1.0, "optimizer_args": {"d0": 0.01}},
    "schedulefree": {"learning_rate": 0.05, "scheduler": "constant"},
    "torch.optim.RAdam": {"learning_rate": 0.05},
    "transformers.optimization.Adafactor": {
        "learning_rate": 0.05,
        "optimizer_args": {"relative_step": False, "beta1": 0.9},
    },
}
"""Settings with which each optimiser moves, by its name in the settings."""
_HERE = find_spec("bitsandbytes") is not None
EACH = [
    pytest.param(name, marks=pytest.mark.skipif(not _HERE and "8bit" in name, reason="no wheel"))
    for name in SETTINGS
]
"""Their names as parameters of a test; bitsandbytes has no wheels for some machines."""


def parameters(seed: int = 0) -> list[nn.Parameter]:
    rng = torch.Generator().manual_seed(seed)
    made = [nn.Parameter(torch.randn(shape, generator=rng)) for shape in SHAPES]
    made[2].data.zero_()  # as the second matrix of a LoRA begins
    return made


def settings_of(name: str, **values: Any) -> OptimizationSettings:
    return OptimizationSettings(**{"optimizer": name, **SETTINGS.get(name, {}), **values})


def stepper_over(
    weights: list[nn.Parameter], settings: OptimizationSettings, split: int = 2
) -> Stepper:
    """Return a stepper over two groups of these weights; the second has half the rate."""
    rate = settings.learning_rate
    second = rate if settings.optimizer == "prodigy" else rate / 2
    parts = [(weights[:split], rate), (weights[split:], second)]
    groups = [FlatGroup(part, each) for part, each in parts if part]
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    return Stepper(groups, make_optimizer(groups, settings, CPU), scaler)


def step(stepper: Stepper, weights: list[nn.Parameter], number: int, max_norm: float = 0.0) -> None:
    """Do a step towards a target that differs from step to step."""
    rng = torch.Generator().manual_seed(1000 + number)
    losses = [((w - torch.randn(w.shape, generator=rng)) ** 2).sum() for w in weights]
    stepper.backward(torch.stack(losses).sum())
    stepper.step(max_norm, lambda tensor: tensor)


def values(weights: list[nn.Parameter]) -> torch.Tensor:
    return torch.cat([w.detach().reshape(-1).clone() for w in weights])
