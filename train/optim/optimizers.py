"""Optimisers of the settings, with one parameter group for each part of the model."""

import inspect
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any

import torch

from prep.errors import ConfigError
from train.extra import require_optimizer
from train.optim.flat import FlatGroup
from train.settings.optimization import OptimizationSettings
from train.settings.optimizers import ADAM, OPTIMIZERS, OptimizerKind, kind_of

_OWN = ("self", "params", "lr")
"""Arguments that nobody sets by name: the weights, and the rate of each group."""


def make_optimizer(
    groups: Sequence[FlatGroup], settings: OptimizationSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name, over all weights.

    Its groups have an ``initial_lr``, which ``set_learning_rate`` multiplies.

    Args:
        groups: The weights; an optimiser that may look at shapes gets the single ones.
        settings: Of the run.
        device: Where the weights are.

    Raises:
        MissingExtraError: Its package is not installed.
        ConfigError: There is no such class, or it does not take its arguments.
    """
    kind = kind_of(settings.optimizer)
    require_optimizer(settings.optimizer)
    made = _load(settings.optimizer, kind)
    arguments = _arguments(made, kind, settings)
    if kind.path == "torch.optim.AdamW" and device.type in ("cpu", "cuda"):
        arguments = {"fused": True} | arguments
    parts = [
        {
            "params": [group.values] if kind.flat else group.parameters,
            "lr": group.rate,
            "initial_lr": group.rate,
        }
        for group in groups
    ]
    # Adafactor refuses a rate beside relative_step, which finds its own.
    rate = None if arguments.get("relative_step") else groups[0].rate
    try:
        optimizer: torch.optim.Optimizer = made(parts, lr=rate, **arguments)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"{settings.optimizer} refuses its arguments: {error}", "See optimizer_args in [train]."
        ) from error
    return optimizer


def _load(name: str, kind: OptimizerKind) -> Any:
    module, _, attribute = kind.path.rpartition(".")
    try:
        made = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"The optimizer {name} cannot be loaded: {error}.") from error
    if not (isinstance(made, type) and issubclass(made, torch.optim.Optimizer)):
        raise ConfigError(
            f"{name} is not an optimizer of torch.", f"Known: {', '.join(OPTIMIZERS)}"
        )
    return made


def _arguments(made: Any, kind: OptimizerKind, settings: OptimizationSettings) -> dict[str, Any]:
    """Return the arguments of an optimiser besides weights and rate.

    Raises:
        ConfigError: It has no argument of a name that the settings give.
    """
    parameters = inspect.signature(made.__init__).parameters
    known = [name for name in parameters if name not in _OWN]
    anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    shared = {"weight_decay": settings.weight_decay, "betas": settings.betas, "eps": settings.eps}
    taken = {
        name: value
        for name, value in shared.items()
        if value is not None and name in kind.shared and name in known
    }
    given = dict(settings.optimizer_args)
    # Only weight_decay has a default of ours; the others were set by somebody.
    unused = [n for n in ("betas", "eps") if shared[n] is not None and n not in taken]
    for name in (*given, *unused):
        if (name not in known and not anything) or name in _OWN or name in unused:
            raise ConfigError(f"{settings.optimizer} has no argument {name}.", _hint(name, known))
    return {**kind.arguments, **taken, **given}


def _hint(name: str, known: Sequence[str]) -> str:
    if name in _OWN:
        return "The learning rate is learning_rate in [train]."
    near = get_close_matches(name, known, 1, 0.5)
    return f"Did you mean {near[0]}?" if near else f"It has: {', '.join(known)}."


def set_learning_rate(optimizer: torch.optim.Optimizer, share: float) -> float:
    """Set every group's rate to ``share`` of its initial one; return that of the first group."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * share
    return float(optimizer.param_groups[0]["lr"])


def description(optimizer: torch.optim.Optimizer) -> str:
    """Return class and arguments as kohya writes them into LoRA files: module.Class(name=value).

    Of the arguments, those that are settings, and those that are not as the class has them.
    """
    kind = type(optimizer)
    known = inspect.signature(kind.__init__).parameters
    told = [
        f"{name}={value}"
        for name, value in optimizer.defaults.items()
        if name in known and name not in _OWN and (name in ADAM or value != known[name].default)
    ]
    return f"{kind.__module__}.{kind.__qualname__}({','.join(told)})"
