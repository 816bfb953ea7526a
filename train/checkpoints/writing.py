"""Components of diffusers and transformers under the names of single files: the way back."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from train.checkpoints.names import Copy

_TEXT_MODEL = "text_model."
_THIRDS = ("first", "second", "third")


def original_tensors(state: Mapping[str, Tensor], copies: Iterable[Copy]) -> dict[str, Tensor]:
    """Return the weights of a component as a single file holds them.

    Args:
        state: Its ``state_dict``.
        copies: Where each weight comes from, by full names in the file.

    Raises:
        KeyError: The component lacks a weight.
    """
    found: dict[str, Tensor] = {}
    thirds: dict[str, dict[str, Tensor]] = {}
    for copy in copies:
        target = copy.target if copy.target in state else f"{_TEXT_MODEL}{copy.target}"
        tensor = state[target]
        if copy.change in _THIRDS:
            thirds.setdefault(copy.source, {})[copy.change] = tensor
        elif copy.change == "transposed":
            found[copy.source] = tensor.T.contiguous()
        elif copy.change == "matrix":
            found[copy.source] = tensor[:, :, None, None].contiguous()
        else:
            found[copy.source] = tensor
    joined = {n: torch.cat([parts[third] for third in _THIRDS]) for n, parts in thirds.items()}
    return found | joined
