"""Safetensors files too large to be in memory whole, written tensor by tensor. No torch."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prep.system.files import write_large
from train.lora.file import header_bytes, header_of

_UNKNOWN = "0" * 64
"""Stands for a SHA-256 until it is known; it is as long."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor whose bytes are made when they are written.

    Attributes:
        dtype: safetensors' name of its type: F32, F16, BF16…
        shape: Its shape.
        read: Returns its bytes, little-endian.
    """

    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], bytes | memoryview]


def write_tensors(
    path: Path,
    tensors: Mapping[str, StoredTensor],
    metadata: Mapping[str, str],
    hash_keys: Mapping[str, str],
    begun: bytes = b"",
) -> None:
    """Write the file that ``serialise`` would return, with a hash of it in its own metadata.

    Args:
        path: The file; until it is complete, the old one stays.
        tensors: By name; one at a time is in memory.
        metadata: By key.
        hash_keys: Keys of the metadata that get the SHA-256 of all weights, each with what stands
            before the hash, such as ``0x``.
        begun: What is hashed before the weights.

    Raises:
        UserError: It cannot be written, or a tensor cannot be read; nothing is left behind.
    """

    def header(digest: str) -> bytes:
        hashes = {key: f"{before}{digest}" for key, before in hash_keys.items()}
        return header_bytes(header_of(tensors, {**metadata, **hashes}))

    def write(file: BinaryIO) -> None:
        digest = hashlib.sha256(begun)
        file.write(header(_UNKNOWN))
        for name in sorted(tensors):
            data = tensors[name].read()
            digest.update(data)
            file.write(data)
        file.seek(0)
        file.write(header(digest.hexdigest()))

    write_large(path, write)
