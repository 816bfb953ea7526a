"""LoHa (Hyeon-Woo et al. 2022, LyCORIS): the elementwise product of two products of matrices.

``(w1_a @ w1_b) * (w2_a @ w2_b) * alpha / rank`` has up to the square of the rank of its parts.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from train.lora.algorithms import LOHA, Algorithm
from train.networks.layers import applied, plus
from train.networks.trained import NO_DROPS, Drops, TrainedAdapter


class LohaModule(TrainedAdapter):
    """Four matrices; ``hada_w*_a`` (out, rank), ``hada_w*_b`` (rank, in x kernel)."""

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = (LOHA,)
    SCALED: ClassVar[str] = "hada_w1_a"

    def __init__(self, base: nn.Module, rank: int, alpha: float, drops: Drops = NO_DROPS) -> None:
        super().__init__(base, rank, alpha, drops)
        outputs, inputs = self.base.weight.flatten(1).shape
        self.hada_w1_a = nn.Parameter(torch.empty(outputs, rank))
        self.hada_w1_b = nn.Parameter(torch.empty(rank, inputs))
        self.hada_w2_a = nn.Parameter(torch.empty(outputs, rank))
        self.hada_w2_b = nn.Parameter(torch.empty(rank, inputs))

    def leaves(self) -> dict[str, nn.Parameter]:
        """As ``TrainedAdapter.leaves``."""
        return dict(self.named_parameters())

    def initialise(self, rng: torch.Generator) -> None:
        """Draw them like LyCORIS: normal, with one of the four at zero."""
        nn.init.normal_(self.hada_w1_a, std=0.1, generator=rng)
        nn.init.normal_(self.hada_w1_b, std=1.0, generator=rng)
        nn.init.zeros_(self.hada_w2_a)
        nn.init.normal_(self.hada_w2_b, std=1.0, generator=rng)

    def change(self) -> Tensor:
        """Return the change of the weight, in the base model's format."""
        product: Tensor = _Product.apply(*map(self.weight, self.leaves()))  # type: ignore[no-untyped-call]
        return product.view(self.base.weight.shape)

    def forward(self, x: Tensor) -> Tensor:
        """As ``Adapter.forward``."""
        return applied(self.base, x, self.change(), None)

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """As ``Adapter.add``."""
        del plain
        return total if self.dropped() else plus(self.base, total, x, self.change(), strength)

    @torch.no_grad()
    def norm(self) -> Tensor:
        """As ``TrainedAdapter.norm``."""
        leaves = self.leaves()
        first, second = (leaves[f"hada_w{n}_a"] @ leaves[f"hada_w{n}_b"] for n in (1, 2))
        length: Tensor = torch.linalg.vector_norm(first * second)
        return length * self.scale


class _Product(torch.autograd.Function):
    """``(a @ b) * (c @ d)``, keeping the four for the gradient instead of two whole weights."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
        ctx.save_for_backward(a, b, c, d)
        return (a @ b).mul_(c @ d)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, ...]:
        a, b, c, d = ctx.saved_tensors
        of_first = gradient * (c @ d)
        of_second = gradient * (a @ b)
        return of_first @ b.T, a.T @ of_first, of_second @ d.T, c.T @ of_second
