"""A moving average of weights, which is often steadier than the weights of the last step."""

from collections.abc import Mapping

import torch
from torch import Tensor

from train.networks.base import copy_exactly


class Average:
    """Exponential moving average of tensors, by name."""

    def __init__(self, live: Mapping[str, Tensor], decay: float) -> None:
        """Begin with the weights as they are.

        Args:
            live: The weights, which something else moves in place.
            decay: What the average keeps of itself in a step, 0 to 1.
        """
        self._live, self._decay = dict(live), decay
        self._kept = {name: tensor.detach().clone() for name, tensor in live.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 1; the first ones soon give way."""
        decay = min(self._decay, (1 + step) / (10 + step))
        live = [tensor.detach() for tensor in self._live.values()]
        torch._foreach_lerp_(list(self._kept.values()), live, 1.0 - decay)

    @torch.no_grad()
    def exchange(self) -> None:
        """Put the average where the weights are, and the weights where it was."""
        for name, live in self._live.items():  # one by one: a whole model has no room for a copy
            before = live.detach().clone()
            live.copy_(self._kept[name])
            self._kept[name].copy_(before)

    def tensors(self) -> dict[str, Tensor]:
        """Return the average itself, no copy of it."""
        return dict(self._kept)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy an average of ``tensors`` into this one, bit for bit.

        Raises:
            KeyError, RuntimeError: It is that of other weights.
        """
        for name, own in self._kept.items():
            copy_exactly(own, tensors[name], name)
