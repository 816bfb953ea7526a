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
from train.networks.layers import applied
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
        return self._changed(x, applied(self.base, x, self.base.weight, None))

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """As ``Adapter.add``."""
        if self.dropped():
            return total
        added = self._changed(x, self._without_bias(plain))
        return total + (added if strength == 1.0 else added * strength)

    def _without_bias(self, plain: Tensor) -> Tensor:
        bias: Tensor | None = self.base.bias
        if bias is None or self._axis == 1:  # the input axis has no use for it
            return plain
        return plain - (bias if isinstance(self.base, nn.Linear) else bias.view(-1, 1, 1))

    def _changed(self, x: Tensor, plain: Tensor) -> Tensor:
        """Return the change of an output.

        Args:
            x: What the module was given.
            plain: What it returned without its bias; the input axis has no use for it.
        """
        ratio = self.magnitude / self._changed_lengths()
        more, all_ = ((r.to(x.dtype).flatten()) for r in (ratio - 1.0, ratio))
        if not isinstance(self.base, nn.Linear):
            more, all_ = more.view(-1, 1, 1), all_.view(-1, 1, 1)
        if self._axis == 0:
            by_output: Tensor = plain * more + super().forward(x) * all_
            return by_output
        weight: Tensor = self.base.weight
        return applied(self.base, x * more, weight, None) + super().forward(x * all_)
