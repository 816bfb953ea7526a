"""DoRA (Liu et al. 2024): a LoRA, and a trained magnitude for each input or output of the weight.

The changed weight is ``magnitude * (W + scale * up @ down) / norm``, where the norm is that of
``W + scale * up @ down`` along the same axis. The norm takes no part in the gradient (section 4.3
of the paper), so it is computed once a step.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from train.lora.algorithms import DORA, Algorithm
from train.networks.layers import applied, plus
from train.networks.lora import DOWN, UP, LoraModule
from train.networks.trained import NO_DROPS, Drops
from train.settings.network import DoraAxis

MAGNITUDE = "dora_scale"
_TINY = torch.finfo(torch.float32).eps
"""Keeps the norm of an empty row from being 0; the readers of the files add the same."""


class DoraModule(LoraModule):
    """A LoRA with magnitudes.

    Shapes: ``magnitude`` (1, in[, 1, 1]), or (out, 1[, 1, 1]) on the output axis, as LyCORIS and
    what reads it tell the two apart.
    """

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = DORA[:1]

    def __init__(
        self,
        base: nn.Module,
        rank: int,
        alpha: float,
        drops: Drops = NO_DROPS,
        axis: DoraAxis = "input",
    ) -> None:
        super().__init__(base, rank, alpha, drops)
        self._axis = 0 if axis == "output" else 1
        self.magnitude = nn.Parameter(torch.empty(0))
        self._norm: Tensor | None = None
        self.magnitude.data = self._lengths(self.base.weight.detach().float())

    def leaves(self) -> dict[str, nn.Parameter]:
        """As ``TrainedAdapter.leaves``."""
        return {**super().leaves(), MAGNITUDE: self.magnitude}

    def initialise(self, rng: torch.Generator) -> None:
        """As a LoRA; the magnitudes are those of the base model's weight."""
        super().initialise(rng)
        self.magnitude.data.copy_(self._lengths(self.base.weight.detach().float()))

    def hold(self, cast: Mapping[str, Tensor]) -> None:
        """As ``TrainedAdapter.hold``; the norm is remembered as well."""
        super().hold(cast)
        self._norm = None

    def _lengths(self, weight: Tensor) -> Tensor:
        """Return the norm of each column or row, shaped as ``magnitude``, and never 0."""
        others = [dim for dim in range(weight.ndim) if dim != self._axis]
        length: Tensor = torch.linalg.vector_norm(weight, dim=others, keepdim=True)
        return length + _TINY

    @torch.no_grad()
    def _changed_lengths(self) -> Tensor:
        known: Tensor | None = self._norm
        if known is not None and self._cast is not None:
            return known
        up, down = (self.leaves()[leaf].flatten(1) for leaf in (UP, DOWN))
        weight = self.base.weight.float()
        change = (up @ down).reshape(weight.shape)
        found = self._lengths(torch.add(weight, change, alpha=self.scale))
        self._norm = found
        return found

    def forward(self, x: Tensor) -> Tensor:
        """As ``Adapter.forward``."""
        plain = applied(self.base, x, self.base.weight, self.base.bias)
        return self.add(torch.zeros_like(plain), x, plain, 1.0)

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """As ``Adapter.add``.

        The changed weight is taken apart into ``(ratio - 1) * W``, of which nothing is lost in
        half precision when the ratio is near 1, and ``ratio * up @ down``.
        """
        if self.dropped():
            return total
        ratio = self.magnitude / self._changed_lengths()
        more, ratio = (ratio - 1.0).to(self.dtype), ratio.to(self.dtype)
        up, down = self.weight(UP), self.weight(DOWN)
        if self._axis == 0:
            more = self._along(more)
            total = torch.addcmul(total, self._without_bias(plain), more, value=strength)
            up = up * ratio
        else:
            total = plus(self.base, total, x * self._along(more), self.base.weight, strength)
            down = down * ratio
        return plus(self.up, total, self._inner(x, down), up, strength)

    def _along(self, vector: Tensor) -> Tensor:
        """Return a number for each channel, so that it can be multiplied with channels."""
        return vector.flatten() if isinstance(self.base, nn.Linear) else vector.view(-1, 1, 1)

    def _without_bias(self, plain: Tensor) -> Tensor:
        bias: Tensor | None = self.base.bias
        return plain if bias is None else plain - self._along(bias)
