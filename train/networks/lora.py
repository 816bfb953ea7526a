"""LoRA and LoCon: two small matrices beside a linear layer or a convolution.

The adapter adds ``alpha / rank * up(down(x))``. ``up`` starts at zero, so before the first step the
model is exactly the base model.
"""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.lora.algorithms import LORA, Algorithm
from train.networks.layers import applied, plus
from train.networks.trained import NO_DROPS, Drops, TrainedAdapter

DOWN, UP = "lora_down.weight", "lora_up.weight"


class LoraModule(TrainedAdapter):
    """The two matrices beside one module.

    Shapes: ``down`` (rank, in[, k, k]), ``up`` (out, rank[, 1, 1]); a convolution's ``down``
    carries its kernel, stride and padding.

    Attributes:
        rank_mask: Which ranks learn from each image of the batch, (batch, rank) of zeros and ones
            in the module's format; ``None`` for all.
    """

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = (LORA,)
    SCALED: ClassVar[str] = UP

    def __init__(self, base: nn.Module, rank: int, alpha: float, drops: Drops = NO_DROPS) -> None:
        super().__init__(base, rank, alpha, drops)
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(base, nn.Conv2d):
            shape: dict[str, Any] = {
                "kernel_size": base.kernel_size,
                "stride": base.stride,
                "padding": base.padding,
                "dilation": base.dilation,
            }
            self.down = nn.Conv2d(base.in_channels, rank, bias=False, **shape)
            self.up = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        elif isinstance(base, nn.Linear):
            self.down = nn.Linear(base.in_features, rank, bias=False)
            self.up = nn.Linear(rank, base.out_features, bias=False)
        else:
            raise TypeError(f"no LoRA for {type(base).__name__}")
        self.rank_mask: Tensor | None = None
        # A power of two may be multiplied in anywhere without changing a bit: inside is smallest.
        self._exact = math.frexp(self.scale)[0] == 0.5

    @classmethod
    def of_file(cls, base: nn.Module, tensors: Mapping[str, Tensor]) -> Self:
        """As ``Adapter.of_file``; without an alpha, alpha equals the rank."""
        down, alpha = tensors[DOWN], tensors.get("alpha")
        rank = len(down)
        lora = cls(base, rank, rank if alpha is None else float(alpha))
        # A 1x1 convolution may be saved as a matrix, and a linear layer as a 1x1 convolution.
        own = lora.leaves()
        lora.load({leaf: tensors[leaf].reshape(own[leaf].shape) for leaf in own})
        return lora

    def leaves(self) -> dict[str, nn.Parameter]:
        """As ``TrainedAdapter.leaves``."""
        weights: Any = self
        return {DOWN: weights.down.weight, UP: weights.up.weight}

    def initialise(self, rng: torch.Generator) -> None:
        """Draw ``down`` like kohya (kaiming, a = sqrt 5) and set ``up`` to zero."""
        leaves = self.leaves()
        nn.init.kaiming_uniform_(leaves[DOWN], a=5**0.5, generator=rng)
        nn.init.zeros_(leaves[UP])

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output, at strength 1."""
        if self.dtype != torch.float32:
            return applied(self.up, self._inner(x, self.weight(DOWN)), self.weight(UP), None)
        leaves = self.leaves()
        inner = self._inner(x, leaves[DOWN])
        if self._exact:
            return applied(self.up, inner * self.scale, leaves[UP], None)
        return applied(self.up, inner, leaves[UP], None) * self.scale

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """As ``Adapter.add``; in half precision with few kernels, in fp32 exactly as ever."""
        if self.dtype == torch.float32:
            return super().add(total, x, plain, strength)
        if self.dropped():
            return total
        inner = self._inner(x, self.weight(DOWN))
        return plus(self.up, total, inner, self.weight(UP), strength)

    def _inner(self, x: Tensor, down: Tensor) -> Tensor:
        """Return the values between the two matrices, some of them switched off in training."""
        inner = applied(self.down, x, down, None)
        if not self.training:
            return inner
        if self.drops.inner:
            inner = functional.dropout(inner, self.drops.inner)
        if self.drops.ranks:
            kept = torch.rand(len(inner), self.rank, device=inner.device) >= self.drops.ranks
            inner = inner * self._beside(inner, kept / (1.0 - self.drops.ranks))
        if self.rank_mask is not None:
            inner = inner * self._beside(inner, self.rank_mask)
        return inner

    def _beside(self, inner: Tensor, mask: Tensor) -> Tensor:
        """Return a mask (batch, rank) so that it can be multiplied with the inner values."""
        others = [1] * (inner.ndim - 2)
        shape = (len(mask), self.rank, *others)
        if isinstance(self.down, nn.Linear):
            shape = (len(mask), *others, self.rank)
        return mask.to(inner.dtype).view(shape)

    @torch.no_grad()
    def norm(self) -> Tensor:
        """As ``TrainedAdapter.norm``, without making the change: |BA|^2 = <B'B, AA'>."""
        up, down = (self.leaves()[leaf].flatten(1).float() for leaf in (UP, DOWN))
        squared = ((up.T @ up) * (down @ down.T)).sum()
        return squared.clamp(min=0.0).sqrt() * self.scale

    def factors(self) -> list[nn.Parameter]:
        """As ``TrainedAdapter.factors``."""
        leaves = self.leaves()
        return [leaves[DOWN], leaves[UP]]
