"""The whole state of an optimiser, whatever it keeps, as tensors in their own types and JSON.

Every optimiser keeps other things: AdamW two moments and a step, 8-bit ones blocks of bytes,
Prodigy numbers in its groups. All of it is saved, so that any of them resumes exactly.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

_PREFIX = "optimizer."
_PLAIN = (bool, int, float, str, type(None))


def optimizer_state(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], str]:
    """Return the state of an optimiser.

    Returns:
        Tensors by name (``optimizer.<parameter>.<entry>``), and everything else as JSON.

    Raises:
        TypeError: It keeps something that is neither a tensor nor a plain value.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor):
                tensors[f"{_PREFIX}{index}.{name}"] = value
            else:
                values.setdefault(str(index), {})[name] = _checked(name, value)
    groups = [
        {name: _checked(name, value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    return tensors, json.dumps({"values": values, "groups": groups})


def restore_optimizer(
    optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], text: str
) -> None:
    """Put an optimiser back to a state of ``optimizer_state``, bit for bit.

    Args:
        optimizer: A new one over the same parameters in the same order.
        tensors: May hold others as well.
        text: The JSON; empty for states of earlier versions, which were AdamW's.

    Raises:
        KeyError, ValueError: The state belongs to another optimiser.
    """
    data = json.loads(text) if text else {"values": {}, "groups": []}
    for index, parameter in enumerate(_parameters(optimizer)):
        entries: dict[str, Any] = dict(data["values"].get(str(index), {}))
        prefix = f"{_PREFIX}{index}."
        for key, tensor in tensors.items():
            if key.startswith(prefix):
                name = key.removeprefix(prefix)
                device = _home(optimizer, parameter, name)
                entries[name] = tensor.to(device, copy=True)
        if entries:
            optimizer.state[parameter] = entries
    for group, saved in zip(optimizer.param_groups, data["groups"], strict=bool(text)):
        group.update({name: _as_before(group.get(name), value) for name, value in saved.items()})


def _home(optimizer: torch.optim.Optimizer, parameter: Tensor, name: str) -> torch.device:
    """Return where an entry lives: torch counts steps on the CPU unless the kernel is fused."""
    defaults = optimizer.defaults
    if name == "step" and not (defaults.get("fused") or defaults.get("capturable")):
        return torch.device("cpu")
    return parameter.device


def _checked(name: str, value: Any) -> Any:
    """Return a value as JSON takes it.

    Raises:
        TypeError: JSON cannot hold it.
    """
    if isinstance(value, list | tuple):
        return [_checked(name, part) for part in value]
    if isinstance(value, _PLAIN):
        return value
    raise TypeError(f"the optimiser keeps {name} as {type(value).__name__}")


def _as_before(present: Any, value: Any) -> Any:
    """Return a value read from JSON in the type that the optimiser gave it: tuples are lists."""
    return tuple(value) if isinstance(present, tuple) else value


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[Any]:
    for group in optimizer.param_groups:
        yield from group["params"]
