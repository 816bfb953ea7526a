"""Optimisers resume exactly, whatever they keep."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor

from train.optim.state import optimizer_state, restore_optimizer

Make = Callable[[list[torch.nn.Parameter]], torch.optim.Optimizer]


class Odd(torch.optim.Optimizer):
    """Keeps what others do not: bytes, plain numbers, and a tuple and a number in its group."""

    def __init__(self, parameters: list[torch.nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 0.1, "betas": (0.9, 0.99), "d": 1.0, "name": None})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            group["d"] *= 1.5
            for parameter in group["params"]:
                state = self.state[parameter]
                state["seen"] = state.get("seen", 0) + 1
                before = state.get("bytes", torch.zeros(parameter.shape, dtype=torch.uint8))
                state["bytes"] = before + 3
                state["half"] = parameter.grad.to(torch.bfloat16)
                change = state["bytes"].float() * group["d"] * group["betas"][0] + state["seen"]
                parameter.sub_(group["lr"] * parameter.grad * change)


KEPT = ("bytes", "half")
"""Names in a file, which later versions read."""


def parameters() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.linspace(-1, 1, n)) for n in (3, 4)]


def stepped(optimizer: torch.optim.Optimizer, weights: list[torch.nn.Parameter], n: int) -> None:
    for _ in range(n):
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack([(w**3).sum() for w in weights]).sum())
        optimizer.step()


MAKERS: dict[str, Make] = {
    "adamw": lambda w: torch.optim.AdamW(w, lr=0.05),
    "amsgrad": lambda w: torch.optim.Adam(w, lr=0.05, amsgrad=True),
    "momentum": lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9),
    "plain": lambda w: torch.optim.SGD(w, lr=0.05),
    "rmsprop": lambda w: torch.optim.RMSprop(w, lr=0.05, centered=True),
    "adafactor": lambda w: torch.optim.Adafactor(w, lr=0.05),
    "odd": Odd,
}


@pytest.mark.parametrize("name", MAKERS)
def test_any_optimizer_goes_on_as_if_never_interrupted(name: str) -> None:
    make = MAKERS[name]
    whole = parameters()
    stepped(make(whole), whole, 5)

    first = parameters()
    optimizer = make(first)
    stepped(optimizer, first, 3)
    tensors, text = optimizer_state(optimizer)
    # Through bytes and back, as a file does it.
    kept = load(save({name: tensor.contiguous() for name, tensor in tensors.items()}))
    second = [torch.nn.Parameter(w.detach().clone()) for w in first]
    again = make(second)
    restore_optimizer(again, {**kept, "lora.other": torch.zeros(1)}, text)
    stepped(again, second, 2)
    assert all(map(torch.equal, second, whole))


def test_entries_keep_their_types() -> None:
    weights = parameters()
    optimizer = Odd(weights)
    stepped(optimizer, weights, 2)
    tensors, text = optimizer_state(optimizer)
    assert sorted(tensors) == [f"optimizer.{n}.{entry}" for n in (0, 1) for entry in KEPT]
    again = Odd(parameters())
    restore_optimizer(again, tensors, text)
    (state, _) = again.state.values()
    assert (state["bytes"].dtype, state["half"].dtype) == (torch.uint8, torch.bfloat16)
    assert state["seen"] == 2
    (group,) = again.param_groups
    assert (group["betas"], group["d"], group["name"]) == ((0.9, 0.99), 2.25, None)


def test_restored_tensors_are_copies() -> None:
    weights = parameters()
    optimizer = MAKERS["adamw"](weights)
    stepped(optimizer, weights, 1)
    tensors, text = optimizer_state(optimizer)
    again = MAKERS["adamw"](parameters())
    restore_optimizer(again, tensors, text)
    before: dict[str, Tensor] = {name: tensor.clone() for name, tensor in tensors.items()}
    fresh = list(again.param_groups[0]["params"])
    stepped(again, fresh, 1)
    assert all(torch.equal(before[name], tensor) for name, tensor in tensors.items())


def test_a_state_of_an_earlier_version_is_adamws() -> None:
    """It held the moments only; what the groups say came from the settings, as it does now."""
    whole = parameters()
    stepped(MAKERS["adamw"](whole), whole, 4)
    first = parameters()
    optimizer = MAKERS["adamw"](first)
    stepped(optimizer, first, 3)
    tensors, _ = optimizer_state(optimizer)
    second = [torch.nn.Parameter(w.detach().clone()) for w in first]
    again = MAKERS["adamw"](second)
    restore_optimizer(again, tensors, "")
    stepped(again, second, 1)
    assert all(map(torch.equal, second, whole))


def test_the_state_of_other_groups_is_refused() -> None:
    optimizer = MAKERS["adamw"](parameters())
    tensors, text = optimizer_state(optimizer)
    split = torch.optim.AdamW([{"params": [p]} for p in parameters()])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        restore_optimizer(split, tensors, text)


def test_what_cannot_be_kept_is_said() -> None:
    weights = parameters()
    optimizer = MAKERS["plain"](weights)
    optimizer.state[weights[0]]["closure"] = print
    with pytest.raises(TypeError, match="closure"):
        optimizer_state(optimizer)
