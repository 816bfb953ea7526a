"""The whole state of an optimiser, whatever it keeps, as tensors in their own types and JSON.

Every optimiser keeps other things: AdamW two moments and a step, 8-bit ones blocks of bytes,
Prodigy numbers in its groups. All of it is saved, so that any of them resumes exactly. What is
kept for each element of a flat group is saved weight by weight, under the weight's number; what is
kept once for the whole group stands under the number of its first weight.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from train.optim.flat import FlatGroup

_PREFIX = "optimizer."
_PLAIN = (bool, int, float, str, type(None))


def optimizer_state(
    optimizer: torch.optim.Optimizer, flats: Sequence[FlatGroup] = ()
) -> tuple[dict[str, Tensor], str]:
    """Return the state of an optimiser.

    Args:
        optimizer: It was given flat groups, single weights, or some of each.
        flats: The flat groups.

    Returns:
        Tensors by name (``optimizer.<weight>.<entry>``), and everything else as JSON.

    Raises:
        TypeError: It keeps something that is neither a tensor nor a plain value.
    """
    tensors: dict[str, Tensor] = {}
    values: dict[str, dict[str, Any]] = {}
    for number, parameter, flat in _numbered(optimizer, flats):
        for name, value in optimizer.state.get(parameter, {}).items():
            if not isinstance(value, Tensor):
                values.setdefault(str(number), {})[name] = _checked(name, value)
            elif flat is not None and value.shape == parameter.shape:
                for offset, piece in enumerate(flat.split(value)):
                    tensors[f"{_PREFIX}{number + offset}.{name}"] = piece
            else:
                tensors[f"{_PREFIX}{number}.{name}"] = value
    groups = [
        {name: _checked(name, value) for name, value in group.items() if name != "params"}
        for group in optimizer.param_groups
    ]
    return tensors, json.dumps({"values": values, "groups": groups})


def restore_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, Tensor],
    text: str,
    flats: Sequence[FlatGroup] = (),
) -> None:
    """Put an optimiser back to a state of ``optimizer_state``, bit for bit.

    Args:
        optimizer: A new one over the same weights in the same order.
        tensors: May hold others as well.
        text: The JSON; empty for states of earlier versions, which were AdamW's.
        flats: The flat groups.

    Raises:
        KeyError, RuntimeError, ValueError: The state belongs to another optimiser.
    """
    data = json.loads(text) if text else {"values": {}, "groups": []}
    named = _by_weight(tensors)
    for number, parameter, flat in _numbered(optimizer, flats):
        entries: dict[str, Any] = dict(data["values"].get(str(number), {}))
        for name, tensor in named.get(number, {}).items():
            pieces = [] if flat is None else _pieces(named, number, name, flat)
            whole = tensor if flat is None or not pieces else flat.join(pieces)
            entries[name] = whole.to(_home(optimizer, parameter, name), copy=True)
        if entries:
            optimizer.state[parameter] = entries
    for group, saved in zip(optimizer.param_groups, data["groups"], strict=bool(text)):
        group.update({name: _as_before(group.get(name), value) for name, value in saved.items()})


def _pieces(
    named: Mapping[int, Mapping[str, Tensor]], first: int, name: str, flat: FlatGroup
) -> list[Tensor]:
    """Return an entry of every weight of a group; empty when it is one of the whole group."""
    found: list[Tensor] = []
    for number, weight in enumerate(flat.parameters, start=first):
        piece = named.get(number, {}).get(name)
        if piece is None or piece.shape != weight.shape:
            return []
        found.append(piece)
    return found


def _by_weight(tensors: Mapping[str, Tensor]) -> dict[int, dict[str, Tensor]]:
    found: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(_PREFIX):
            number, _, name = key.removeprefix(_PREFIX).partition(".")
            found.setdefault(int(number), {})[name] = tensor
    return found


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


def _numbered(
    optimizer: torch.optim.Optimizer, flats: Sequence[FlatGroup]
) -> Iterator[tuple[int, Tensor, FlatGroup | None]]:
    """Give each tensor that the optimiser moves, with the number of its (first) weight."""
    held = {id(flat.values): flat for flat in flats}
    number = 0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            flat = held.get(id(parameter))
            yield number, parameter, flat
            number += len(flat.parameters) if flat is not None else 1
