"""Changes of weights as products of two small matrices, and the best ones of a given rank.

The best approximation of a matrix by one of rank r keeps its r largest singular values
(Eckart and Young 1936). Of a product of small matrices they are found without multiplying it out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

_ITERATIONS = 6
"""Of the randomised search (Halko, Martinsson, Tropp 2011): enough for the slowly falling singular
values of trained differences."""
_SPARE = 16
"""Further directions that it looks for, so that the wanted ones are found well."""
_WORTH_SEARCHING = 4
"""The search is used for sides more than this many times as long as the rank."""


class Factors(NamedTuple):
    """A matrix of (out, columns) as ``up @ down``: (out, rank) and (rank, columns), fp32."""

    up: Tensor
    down: Tensor

    @property
    def rank(self) -> int:
        """Columns of the one, rows of the other."""
        return len(self.down)

    def times(self, strength: float) -> "Factors":
        """Return the factors of a multiple."""
        return Factors(self.up * strength, self.down)

    def balanced(self) -> "Factors":
        """Return factors of the same product and of equal length, which suits 16 bits best."""
        up, down = torch.linalg.vector_norm(self.up), torch.linalg.vector_norm(self.down)
        if not up or not down:
            return self
        shift = torch.sqrt(down / up)
        return Factors(self.up * shift, self.down / shift)


class Reduced(NamedTuple):
    """Factors of a lower rank, with the squares of what they keep and of what there was."""

    factors: Factors
    kept: float
    total: float


def joined(parts: Sequence[Factors]) -> Factors:
    """Return the factors of a sum, exactly; their rank is the sum of the ranks."""
    even = [part.balanced() for part in parts]
    return Factors(torch.cat([p.up for p in even], dim=1), torch.cat([p.down for p in even]))


def reduce_factors(factors: Factors, rank: int | None, keep: float = 1.0) -> Reduced:
    """Return the best factors of a lower rank.

    Args:
        factors: Of any rank.
        rank: The highest rank; ``None`` for any.
        keep: Share of the squares that is enough.
    """
    left, inner = torch.linalg.qr(factors.up)
    right, other = torch.linalg.qr(factors.down.T)
    u, values, v = torch.linalg.svd(inner @ other.T)
    return _cut(left @ u, values, (right @ v.T).T, float(values.square().sum()), rank, keep)


def reduce_matrix(matrix: Tensor, rank: int | None, keep: float = 1.0) -> Reduced:
    """Return the best factors of a matrix, (out, columns); the arguments of ``reduce_factors``."""
    total = float(torch.linalg.vector_norm(matrix, dtype=torch.float64)) ** 2
    if rank is not None and min(matrix.shape) > _WORTH_SEARCHING * (rank + _SPARE):
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            u, values, v = torch.svd_lowrank(matrix, rank + _SPARE, _ITERATIONS)
        return _cut(u, values, v.T, total, rank, keep)
    u, values, right = torch.linalg.svd(matrix, full_matrices=False)
    return _cut(u, values, right, total, rank, keep)


def _cut(
    u: Tensor, values: Tensor, right: Tensor, total: float, rank: int | None, keep: float
) -> Reduced:
    """Keep the largest singular values, at least one: as many as are asked for, or are enough."""
    squares = values.double().square()
    enough = len(values)
    if keep < 1:
        enough = int((squares.cumsum(0) < keep * total).sum()) + 1
    count = max(1, min(enough, len(values), rank or len(values)))
    root = values[:count].sqrt()
    factors = Factors(u[:, :count] * root, root[:, None] * right[:count])
    return Reduced(factors, min(float(squares[:count].sum()), total), total)
