"""Networks as LoRA files: tensors to bytes and back."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from prep.system.files import write_bytes
from train.lora.file import RawTensor, read_header, with_hashes
from train.networks.base import Network

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}

"""What ``save_precision`` may name."""
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def raw(tensor: Tensor, dtype: torch.dtype | None = None) -> RawTensor:
    """Return a tensor as bytes for ``serialise``, in its own type or in ``dtype``."""
    plain = tensor.detach().to("cpu", dtype or tensor.dtype).contiguous()
    data = plain.reshape(-1).view(torch.uint8).numpy().tobytes()
    return RawTensor(_NAMES[plain.dtype], tuple(plain.shape), data)


def save_lora(path: Path, network: Network, metadata: Mapping[str, str], precision: str) -> None:
    """Write a LoRA file with its hashes; fp16, bf16 or fp32."""
    dtype = DTYPES[precision]
    tensors = {name: raw(tensor, dtype) for name, tensor in network.tensors().items()}
    write_bytes(path, with_hashes(tensors, metadata))


def load_lora(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a LoRA file, in fp32.

    Raises:
        UnreadableError: It is missing or no safetensors file.
    """
    from safetensors.torch import load

    read_header(path)
    return {name: tensor.to(torch.float32) for name, tensor in load(path.read_bytes()).items()}
