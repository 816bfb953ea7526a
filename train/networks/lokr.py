"""LoKr (LyCORIS, Yeh et al. 2023): the Kronecker product of a small matrix and a larger one.

``kron(w1, w2)`` is applied to the input without being made: its columns are those of ``w1`` times
those of ``w2``, so the input is read as a table of both, ``w2`` acts on one side of it and ``w1``
on the other.
"""

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.lora.algorithms import LOKR, Algorithm
from train.networks.layers import applied
from train.networks.trained import NO_DROPS, Drops, TrainedAdapter


def split_size(size: int, factor: int) -> tuple[int, int]:
    """Return two numbers with the product ``size``, as LyCORIS splits it; the smaller one first.

    Args:
        size: Inputs or outputs of a module.
        factor: The smaller number is this, or the next smaller one that divides ``size``; -1 for
            two numbers as near to each other as possible.

    Example:
        >>> split_size(1280, 8), split_size(1280, -1), split_size(250, 8)
        ((8, 160), (32, 40), (5, 50))
    """
    if factor > 0 and size % factor == 0:
        return min(factor, size // factor), max(factor, size // factor)
    largest = math.isqrt(size) if factor < 0 else min(factor, math.isqrt(size))
    small = next(number for number in range(largest, 0, -1) if size % number == 0)
    return small, size // small


class LokrModule(TrainedAdapter):
    """``lokr_w1`` (a, c), and ``lokr_w2`` (b, d[, k, k]), itself a product where the rank is small.

    The weight has a x b outputs and c x d inputs. The rank is that of the second factor; where it
    reaches half of the longer side, the factor is trained whole, and alpha does not count.
    """

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = (LOKR,)
    SCALED: ClassVar[str] = "lokr_w1"

    def __init__(
        self,
        base: nn.Module,
        rank: int,
        alpha: float,
        drops: Drops = NO_DROPS,
        factor: int = -1,
    ) -> None:
        weight: Any = base.weight
        outputs, inputs, *kernel = weight.shape
        rows, below = split_size(outputs, factor)
        columns, beside = split_size(inputs, factor)
        whole = 2 * rank >= max(below, beside)
        super().__init__(base, rank, float(rank) if whole else alpha, drops)
        self._sides = (columns, beside)
        self.lokr_w1 = nn.Parameter(torch.empty(rows, columns))
        if whole:
            self.lokr_w2 = nn.Parameter(torch.empty(below, beside, *kernel))
        else:
            self.lokr_w2_a = nn.Parameter(torch.empty(below, rank))
            self.lokr_w2_b = nn.Parameter(torch.empty(rank, beside * math.prod(kernel)))

    def leaves(self) -> dict[str, nn.Parameter]:
        """As ``TrainedAdapter.leaves``."""
        return dict(self.named_parameters())

    def initialise(self, rng: torch.Generator) -> None:
        """Draw them like LyCORIS: kaiming with a = sqrt 5, the last one zero."""
        *drawn, last = self.leaves().values()
        for parameter in drawn:
            nn.init.kaiming_uniform_(parameter, a=5**0.5, generator=rng)
        nn.init.zeros_(last)

    def forward(self, x: Tensor) -> Tensor:
        """As ``Adapter.forward``."""
        if isinstance(self.base, nn.Linear):
            return self._linear(x)
        return self._convolution(x)

    def _linear(self, x: Tensor) -> Tensor:
        table = x.view(*x.shape[:-1], *self._sides)
        if hasattr(self, "lokr_w2"):
            table = functional.linear(table, self.weight("lokr_w2"))
        else:
            table = functional.linear(table, self.weight("lokr_w2_b"))
            table = functional.linear(table, self.weight("lokr_w2_a"))
        return torch.matmul(self.weight("lokr_w1"), table).flatten(-2)

    def _convolution(self, x: Tensor) -> Tensor:
        columns, beside = self._sides
        table = x.reshape(-1, beside, *x.shape[2:])  # each part of the inputs as a picture
        kernel: Any = self.base.kernel_size
        if hasattr(self, "lokr_w2"):
            table = applied(self.base, table, self.weight("lokr_w2"), None)
        else:
            right = self.weight("lokr_w2_b").view(self.rank, beside, *kernel)
            table = applied(self.base, table, right, None)
            table = functional.conv2d(table, self.weight("lokr_w2_a")[:, :, None, None])
        size = table.shape[2:]
        mixed = torch.matmul(self.weight("lokr_w1"), table.reshape(len(x), columns, -1))
        return mixed.reshape(len(x), -1, *size)

    @torch.no_grad()
    def norm(self) -> Tensor:
        """As ``TrainedAdapter.norm``: the norm of a Kronecker product is that of its factors."""
        leaves = self.leaves()
        right: Tensor = leaves["lokr_w2"] if "lokr_w2" in leaves else self._right()
        norms = map(torch.linalg.vector_norm, (leaves["lokr_w1"], right))
        return math.prod(norms, start=torch.tensor(self.scale, device=right.device))

    def _right(self) -> Tensor:
        return self.lokr_w2_a @ self.lokr_w2_b
