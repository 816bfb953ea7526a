"""Networks as LoRA files: tensors to bytes and back."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prep.errors import EXIT_PROBLEMS, UnreadableError, UserError, reason_of
from prep.system.files import write_bytes
from train.lora.contents import by_module, peft_scale
from train.lora.file import RawTensor, SafetensorsHeader, read_header, with_hashes
from train.lora.keys import canonical
from train.lora.streaming import StoredTensor
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


def stored(tensor: Tensor, dtype: torch.dtype | None = None) -> StoredTensor:
    """Return a tensor for ``write_tensors``, in its own type or in ``dtype``.

    Nothing is copied yet: it must not change until it was written.
    """
    chosen = dtype or tensor.dtype

    def read() -> memoryview:
        plain = tensor.detach().to("cpu", chosen).contiguous()
        data: Any = plain.reshape(-1).view(torch.uint8).numpy()
        return memoryview(data)

    return StoredTensor(_NAMES[chosen], tuple(tensor.shape), read)


class NotFiniteError(UserError):
    """Weights are NaN or infinite."""

    exit_code = EXIT_PROBLEMS


def not_finite(path: Path, name: str, precision: str) -> NotFiniteError:
    """Return why a file is not saved: one of its tensors is not finite in the chosen format."""
    return NotFiniteError(
        f"{path.name} was not saved: {name} has weights that are NaN, infinite, or too"
        f" large for {precision}.",
        "Lower learning_rate, or the strengths to merge with. What was saved before is unharmed.",
    )


def save_lora(path: Path, network: Network, metadata: Mapping[str, str], precision: str) -> None:
    """Write a network as a LoRA file; see ``save_tensors``."""
    save_tensors(path, network.tensors(), metadata, precision)


def save_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], precision: str
) -> None:
    """Write a LoRA file with its hashes.

    Args:
        path: The file.
        tensors: By key.
        metadata: By key.
        precision: Of the weights: fp16, bf16 or fp32. An alpha that it cannot hold stays as it is.

    Raises:
        NotFiniteError: It would hold weights that are NaN or infinite; nothing is written.
        UserError: It cannot be written.
    """
    dtype = DTYPES[precision]
    found = {}
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor.to(dtype)).all():
            raise not_finite(path, name, precision)
        exact = name.endswith(".alpha") and float(tensor.to(dtype)) != float(tensor)
        found[name] = raw(tensor, None if exact else dtype)  # alpha decides on all the rest
    write_bytes(path, with_hashes(found, metadata))


def load_lora(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a LoRA file, in fp32, under kohya's names.

    Raises:
        UnreadableError: It is missing, no safetensors file, or has weights that are NaN or
            infinite; or PEFT wrote it, and its configuration is not beside it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    header = read_header(path)
    try:
        stored = load(path.read_bytes())
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise UnreadableError(f"{path} cannot be read: {reason_of(error)}.") from error
    names = canonical(stored)
    tensors = {".".join(names[key]): tensor.float() for key, tensor in stored.items()}
    broken = [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise UnreadableError(
            f"{path} has weights that are NaN or infinite, for example in {sorted(broken)[0]}.",
            "Its training went wrong; take an earlier file of the run.",
        )
    return tensors | _scales_of_peft(path, header, tensors)


def _scales_of_peft(
    path: Path, header: SafetensorsHeader, tensors: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the alphas that a file of PEFT keeps elsewhere."""
    scale = peft_scale(path, list(header.tensors), header.metadata)
    if scale is None:
        return {}
    found: dict[str, float] = {}
    for name, leaves in by_module(tensors).items():
        sized = leaves.keys() & {"lora_down.weight", "hada_w1_b", "lokr_w1_b", "lokr_w2_b"}
        if "alpha" in leaves:
            continue
        if sized:
            found[f"{name}.alpha"] = scale.alpha(name, len(leaves[min(sized)]))
        elif "lokr_w1" in leaves:  # two whole factors: elsewhere alpha does not count, here it does
            found[f"{name}.scalar"] = scale.share(name)
    return {name: torch.tensor(value) for name, value in found.items()}
