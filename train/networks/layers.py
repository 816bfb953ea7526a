"""Layers of the base model with other weights than their own."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


def applied(base: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return what a module like this one makes of ``x`` with other weights.

    Args:
        base: A linear layer, a convolution or a norm; its stride, padding and the like count.
        x: Its input.
        weight: In the format of ``x``.
        bias: The same, or ``None``.

    Raises:
        TypeError: A module of another kind.
    """
    if isinstance(base, nn.Conv2d):
        padding, stride, dilation = base.padding, base.stride, base.dilation
        return functional.conv2d(x, weight, bias, stride, padding, dilation, base.groups)
    if isinstance(base, nn.Linear):
        return functional.linear(x, weight, bias)
    if isinstance(base, nn.GroupNorm):
        return functional.group_norm(x, base.num_groups, weight, bias, base.eps)
    if isinstance(base, nn.LayerNorm):
        return functional.layer_norm(x, base.normalized_shape, weight, bias, base.eps)
    raise TypeError(f"no change of {type(base).__name__}")


def plus(base: nn.Module, total: Tensor, x: Tensor, weight: Tensor, strength: float) -> Tensor:
    """Return ``total + strength * applied(base, x, weight, None)``, with few kernels.

    A linear layer needs one: the product is added where it is summed up.
    """
    if isinstance(base, nn.Linear):
        flat = torch.addmm(total.flatten(0, -2), x.flatten(0, -2), weight.t(), alpha=strength)
        return flat.view(total.shape)
    return torch.add(total, applied(base, x, weight, None), alpha=strength)
