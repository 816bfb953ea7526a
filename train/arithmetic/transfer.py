"""Copying to a device without waiting for it."""

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device; a GPU goes on computing meanwhile.

    From ordinary memory, whoever copies waits for all that the GPU was asked to do before.
    """
    if device.type == "cuda" and not tensor.is_cuda:
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
