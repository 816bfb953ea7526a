"""Layers of the base model with other weights than their own."""

from typing import Any

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
