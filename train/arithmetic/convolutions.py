"""Convolutions of a frozen model on a CPU, with their weights in the order that the kernels want.

torch reorders the weights of a convolution in every call. With thousands of channels and latents of
a few pixels, as deep inside a UNet, that takes several times as long as the arithmetic. Weights
that never change are reordered once, here.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

_FROM = 1 << 22
"""Elements: smaller weights are reordered in no time worth the memory. With 1280 channels, both
passes took 0.6 of the time at 8x8 latents, 0.45 at 4x4 and 0.95 at 16x16; with 2560, 0.32 at 8x8
(benchmarks/convolutions.txt)."""


class ReorderedConv2d(nn.Module):
    """A frozen convolution of stride 1; its weights are there twice, forward and backward.

    The gradient of the input is a convolution as well, with the weights turned around. Results are
    those of the convolution but for rounding: kernels for other orders sum up otherwise.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        """Reorder the weights; the convolution may be freed.

        Raises:
            AttributeError, RuntimeError: This torch cannot.
        """
        super().__init__()
        self._bias = convolution.bias
        forward, backward = _paddings(convolution)
        weight = convolution.weight.detach()
        turned = weight.flip(2, 3).transpose(0, 1).contiguous()
        self._forward = _reordered(weight, forward)
        self._backward = _reordered(turned, backward)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the convolution returns, (batch, out, height, width)."""
        if torch.is_grad_enabled() and x.requires_grad:
            found: Tensor = _Convolution.apply(x, self)  # type: ignore[no-untyped-call]
            return found
        return self._forward(x, self._bias)

    def backward(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the input from that of the output."""
        return self._backward(gradient, None)

    def _apply(self, *_: Any, **__: Any) -> "ReorderedConv2d":
        raise RuntimeError("Weights that were reordered for the CPU stay there, and in their type.")

    def _save_to_state_dict(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("Weights that were reordered are in no state: the base model has them.")


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, convolution: ReorderedConv2d) -> Tensor:
        ctx.convolution = convolution
        return convolution._forward(x, convolution._bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.convolution.backward(gradient), None


_Pair = tuple[int, int]
_Apply = Callable[[Tensor, Tensor | None], Tensor]


def _paddings(convolution: nn.Conv2d) -> tuple[_Pair, _Pair]:
    """Return the padding, and that of the convolution which computes the gradient."""
    padding: Any = convolution.padding
    height, width = padding
    kernel = convolution.kernel_size
    return (height, width), (kernel[0] - 1 - height, kernel[1] - 1 - width)


def _reordered(weight: Tensor, padding: _Pair) -> _Apply:
    """Return a convolution with a weight, (out, in, k, k), that is reordered now."""
    natives: Any = torch._C._nn
    one, pad = [1, 1], list(padding)
    held = natives.mkldnn_reorder_conv2d_weight(weight.to_mkldnn(), pad, one, one, 1)

    def apply(x: Tensor, bias: Tensor | None) -> Tensor:
        made: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, held, bias, pad, one, one, 1, "none", [], ""
        )
        return made

    return apply


def has_kernels() -> bool:
    """Return whether this torch was built with oneDNN."""
    return bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def _gains(convolution: nn.Module) -> bool:
    """Return whether a module is a convolution whose weights are worth being reordered.

    In fp32 the second copy takes twice the memory and saves a third of what it does in bf16.
    """
    return (
        isinstance(convolution, nn.Conv2d)
        and "forward" not in convolution.__dict__  # an adapter stands in for it
        and convolution.weight.numel() >= _FROM
        and convolution.weight.dtype == torch.bfloat16
        and not convolution.weight.requires_grad
        and (convolution.stride, convolution.dilation) == ((1, 1), (1, 1))
        and (convolution.groups, convolution.padding_mode) == (1, "zeros")
        and isinstance(convolution.padding, tuple)
    )


def large_convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """Return what ``reorder`` replaces, by name."""
    return {name: cast(nn.Conv2d, found) for name, found in model.named_modules() if _gains(found)}


def reorder(model: nn.Module) -> int:
    """Replace the large convolutions of a frozen model on the CPU.

    Args:
        model: In memory; from now on its large convolutions have no ``weight``.

    Returns:
        How many were replaced; 0 where this torch was built without the kernels.
    """
    if not has_kernels():
        return 0
    found = large_convolutions(model)
    count = len(found)
    while found:  # each is freed before the next one is copied
        name, convolution = found.popitem()
        parent, _, leaf = name.rpartition(".")
        try:
            made = ReorderedConv2d(convolution)
        except (AttributeError, RuntimeError):  # ways into torch that it does not promise
            return 0
        setattr(model.get_submodule(parent), leaf, made)
        del convolution
    return count
