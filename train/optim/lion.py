"""Lion: the sign of an average of gradients (Chen et al. 2023, arXiv 2302.06675)."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_AT_ONCE = 1 << 25
"""Elements, which need 128 MiB beside them for a moment: a whole model's weights are one tensor."""


class Lion(torch.optim.Optimizer):
    """One moment instead of AdamW's two, and steps of equal size in every weight.

    Args:
        params: Parameters, or groups of them.
        lr: Learning rate; a third to a tenth of AdamW's.
        betas: How much of the average is kept in the step, and from step to step.
        weight_decay: Decoupled, as AdamW's.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # noqa: ARG002
        """Move every parameter that has a gradient; there is no closure."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, parameter.grad, group)

    def _move(self, weights: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        rate, (now, kept) = group["lr"], group["betas"]
        state = self.state[weights]
        if "exp_avg" not in state:
            state["exp_avg"] = torch.zeros_like(weights)
        average: Tensor = state["exp_avg"]
        pieces = (torch.split(t.view(-1), _AT_ONCE) for t in (weights, gradient, average))
        for moved, slope, mean in zip(*pieces, strict=True):
            moved.mul_(1.0 - rate * group["weight_decay"])
            moved.add_(torch.lerp(slope, mean, now).sign_(), alpha=-rate)
            mean.lerp_(slope, 1.0 - kept)
