"""Weights of one group in one tensor, so that a step is a handful of kernels.

A LoRA has hundreds of small matrices. Clipping, the optimiser, the exchange between devices and
averages act on every element alike; on one flat tensor each is one kernel instead of hundreds.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

_ALIGNED = 16
"""Elements: products are fastest on weights that begin at a multiple of 64 bytes."""


_LARGEST = 1 << 30
"""Elements: some kernels, such as those of 8-bit optimisers, count them in 32 bits."""


class FlatGroup:
    """Parameters that are views of one flat tensor, and whose gradients are views of another.

    The parameters keep their identity and shape. From now on they may be copied into, never given
    other memory: what holds on to the flat tensor would move weights that nobody uses.

    Attributes:
        parameters: In the order they were given.
        rate: Learning rate.
        values: All weights, shape (elements,); its ``grad`` is ``gradients``.
        gradients: All gradients; backward passes add to them. Never ``None``: a weight that got
            no gradient has 0.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], rate: float) -> None:
        self.parameters, self.rate = list(parameters), rate
        # Those of odd sizes come last, so that all others stay aligned without gaps.
        odd = [parameter.numel() % _ALIGNED != 0 for parameter in self.parameters]
        self._order = sorted(range(len(odd)), key=lambda index: odd[index])
        self.values = nn.Parameter(self.join([p.detach() for p in self.parameters]))
        self.gradients = torch.zeros_like(self.values.data)
        self.values.grad = self.gradients
        pieces = zip(
            self.parameters, self.split(self.values.data), self.split(self.gradients), strict=True
        )
        for parameter, value, gradient in pieces:
            parameter.data, parameter.grad = value, gradient

    def join(self, pieces: Sequence[Tensor]) -> Tensor:
        """Return tensors, one for each parameter and of its shape, as a new flat one."""
        return torch.cat([pieces[index].reshape(-1) for index in self._order])

    def split(self, flat: Tensor) -> list[Tensor]:
        """Return a flat tensor as views, one for each parameter and of its shape."""
        ordered = [self.parameters[index] for index in self._order]
        parts = torch.split(flat, [parameter.numel() for parameter in ordered])
        found = dict(zip(self._order, parts, strict=True))
        return [found[i].view(parameter.shape) for i, parameter in enumerate(self.parameters)]


def flat_groups(
    parameters: Sequence[nn.Parameter], rate: float, largest: int = _LARGEST
) -> list[FlatGroup]:
    """Return parameters of one learning rate in groups of at most ``largest`` elements.

    A single parameter that has more is a group of its own.
    """
    groups: list[list[nn.Parameter]] = []
    room = 0
    for parameter in parameters:
        if not groups or parameter.numel() > room:
            groups.append([])
            room = largest
        groups[-1].append(parameter)
        room -= parameter.numel()
    return [FlatGroup(group, rate) for group in groups]
