"""Convolutions of SD 1.5 with weights that torch reorders in every call, and reordered once.

    python -m benchmarks.convolutions

Processor time of the forward pass, and of the gradient of the input, in milliseconds; the least of
some turns, on one thread.
"""

import platform
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from train.arithmetic.convolutions import ReorderedConv2d

_CASES = ((2560, 1280, 8), (1280, 1280, 4), (1280, 1280, 8), (1280, 1280, 16), (1280, 640, 16))
_TURNS = 9


def milliseconds(work: Callable[[], object]) -> float:
    """Return the least processor time of some turns."""
    taken = []
    for _ in range(_TURNS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return 1000 * min(taken)


def main() -> None:
    """Measure both formats."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, {platform.machine()}")
    print(
        "channels      latents  format   forward: torch, once  ratio   backward: torch, once  ratio"
    )
    for dtype in (torch.bfloat16, torch.float32):
        for wide, out, side in _CASES:
            print(_line(dtype, wide, out, side), flush=True)


def _line(dtype: torch.dtype, wide: int, out: int, side: int) -> str:
    plain = nn.Conv2d(wide, out, 3, padding=1).to(dtype).requires_grad_(requires_grad=False)
    x = torch.randn(1, wide, side, side, dtype=dtype, requires_grad=True)
    gradient = torch.randn(1, out, side, side, dtype=dtype)
    line = f"{wide:>4} -> {out:<5} {side:>3}x{side:<3}  {str(dtype)[6:]:<8}"
    layers: tuple[nn.Module, ...] = (plain, ReorderedConv2d(plain))
    with torch.no_grad():
        before, after = (milliseconds(partial(layer, x)) for layer in layers)
    line += f"{before:>13.1f}{after:>8.1f}{after / before:>7.2f}"
    outputs = [layer(x) for layer in layers]
    before, after = (
        milliseconds(partial(torch.autograd.grad, y, x, gradient, retain_graph=True))
        for y in outputs
    )
    return f"{line}{before:>16.1f}{after:>8.1f}{after / before:>7.2f}"


if __name__ == "__main__":
    main()
