"""Gives the SDXL demo base what the SD 1.5 demo base has learnt: a narrower copy of its UNet.

Both have two levels. Of each eight channels of the lower one, six are kept: the same ones in every
layer, so that groups of norms, heads and residuals stay together. Attention that the SD 1.5 base
does not have begins as a copy of that in its middle, and adds nothing until it has learnt to.
"""

import re

import torch
from torch import Tensor, nn

WIDE, KEPT, OF = 128, 6, 8
"""Channels of the wider lower level, and how many of how many are kept."""
_MIDDLE = "mid_block.attentions.0."
_ATTENTION = re.compile(r"(down_blocks\.1|up_blocks\.0)\.attentions\.\d\.")


def inherit(narrow: nn.Module, wide: nn.Module) -> None:
    """Fill ``narrow``, an SDXL of widths 64 and 96, from ``wide``, an SD 1.5 of 64 and 128."""
    known = wide.state_dict()
    state = narrow.state_dict()
    for name, target in state.items():
        source = known.get(_ATTENTION.sub(_MIDDLE, name))
        if source is not None:
            state[name] = _fitted(name, source.float(), target)
        if _ATTENTION.match(name) and ".proj_out." in name:
            state[name] = torch.zeros_like(target)
    narrow.load_state_dict(state)


def _fitted(name: str, source: Tensor, target: Tensor) -> Tensor:
    """Return the part of a weight that is kept, in the shape of ``target``."""
    if source.ndim > target.ndim:  # projections were convolutions
        source = source.flatten(1)
    source = source[_kept(len(source), len(target))]
    if source.ndim > 1:
        inputs, wanted = source.shape[1], target.shape[1]
        if wanted > inputs:  # the text states of a second encoder follow those of the first
            return torch.cat([source, torch.zeros(len(source), wanted - inputs)], dim=1)
        source = source[:, _kept(inputs, wanted)]
    if source.shape != target.shape:
        raise ValueError(f"{name}: {tuple(source.shape)} is not {tuple(target.shape)}")
    return source


def _kept(size: int, wanted: int) -> list[int]:
    """Return the channels that are kept of ``size``, some of which may be of the upper level."""
    if size == wanted:
        return list(range(size))
    lower = size // WIDE * WIDE
    return [*(i for i in range(lower) if i % OF < KEPT), *range(lower, size)]
