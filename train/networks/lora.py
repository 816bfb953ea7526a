"""LoRA and LoCon: two small matrices beside a linear layer or a convolution.

The adapter adds ``alpha / rank * up(down(x))``. ``up`` starts at zero, so before the first step the
model is exactly the base model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from train.lora.algorithms import LORA, Algorithm


@dataclass(frozen=True)
class Ranks:
    """Ranks and alphas: for linear layers and 1x1 convolutions, and for 3x3 convolutions."""

    rank: int
    alpha: float
    conv_rank: int = 0
    conv_alpha: float = 1.0

    def of(self, module: nn.Module) -> tuple[int, float]:
        """Return rank and alpha for a module; rank 0 leaves it alone."""
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            return self.conv_rank, self.conv_alpha
        return self.rank, self.alpha


class LoraModule(nn.Module):
    """The two matrices beside one module; implements ``Adapter``.

    Shapes: ``down`` (rank, in[, k, k]), ``up`` (out, rank[, 1, 1]); a convolution's ``down``
    carries its kernel, stride and padding.
    """

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = (LORA,)

    def __init__(self, base: nn.Module, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
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
        self.alpha = alpha
        self.scale = alpha / rank
        self.dropout = dropout

    @classmethod
    def of_file(cls, base: nn.Module, tensors: Mapping[str, Tensor]) -> "LoraModule":
        """As ``Adapter.of_file``; without an alpha, alpha equals the rank."""
        down, alpha = tensors["lora_down.weight"], tensors.get("alpha")
        rank = len(down)
        lora = cls(base, rank, rank if alpha is None else float(alpha))
        weights: Any = lora
        # A 1x1 convolution may be saved as a matrix, and a linear layer as a 1x1 convolution.
        lora.load(
            {
                "lora_down.weight": down.reshape(weights.down.weight.shape),
                "lora_up.weight": tensors["lora_up.weight"].reshape(weights.up.weight.shape),
            }
        )
        return lora

    def initialise(self, seed: int) -> None:
        """Draw ``down`` like kohya (kaiming, a = sqrt 5) and set ``up`` to zero."""
        rng = torch.Generator().manual_seed(seed)
        down: Any = self.down
        nn.init.kaiming_uniform_(down.weight, a=5**0.5, generator=rng)
        up: Any = self.up
        nn.init.zeros_(up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output, at strength 1."""
        inner = self.down(x)
        if self.dropout and self.training:
            inner = nn.functional.dropout(inner, self.dropout)
        added: Tensor = self.up(inner) * self.scale
        return added

    def file_tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.file_tensors``."""
        weights: Any = self
        return {
            "alpha": torch.tensor(self.alpha),
            "lora_down.weight": weights.down.weight.detach().cpu(),
            "lora_up.weight": weights.up.weight.detach().cpu(),
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """As ``Adapter.load``."""
        weights: Any = self
        with torch.no_grad():
            for own, leaf in ((weights.down, "lora_down.weight"), (weights.up, "lora_up.weight")):
                if own.weight.shape != tensors[leaf].shape:  # copying would broadcast
                    raise RuntimeError(f"{leaf} has another shape")
                own.weight.copy_(tensors[leaf])
