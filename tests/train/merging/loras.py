"""LoRA files as small as their modules allow."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from train.lora.file import serialise
from train.networks.saved import raw


def pair(shape: tuple[int, ...], rank: int = 2, alpha: float = 3.0) -> dict[str, Tensor]:
    """Return a LoRA of one module, by leaf."""
    ones = [1] * len(shape[2:])
    return {
        "lora_down.weight": torch.randn(rank, *shape[1:]) * 0.1,
        "lora_up.weight": torch.randn(shape[0], rank, *ones) * 0.1,
        "alpha": torch.tensor(alpha),
    }


def save(
    path: Path,
    modules: Mapping[str, Mapping[str, Tensor]],
    metadata: Mapping[str, str] | None = None,
) -> Path:
    """Write a LoRA file; return its path."""
    tensors = {f"{m}.{leaf}": raw(t) for m, found in modules.items() for leaf, t in found.items()}
    path.write_bytes(serialise(tensors, dict(metadata or {})))
    return path
