"""Safetensors files: reading their headers, writing them, and their hashes. No torch.

Files are serialised here and not by the safetensors library, because the library writes its
metadata in no fixed order, and the same run should give the same bytes.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Protocol

from prep.errors import UnreadableError
from prep.texts import open_regular, parse_json

_LEGACY_START, _LEGACY_LENGTH = 0x100000, 0x10000
_MAX_HEADER = 100_000_000
_BYTES = {
    **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"), 1),
    **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
    **dict.fromkeys(("U32", "I32", "F32"), 4),
    **dict.fromkeys(("U64", "I64", "F64"), 8),
}
"""Bytes of one number, by safetensors' name of its type."""
_EXPONENTS = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F80_0000),
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
}
"""Bits of the exponent, all of which are set in NaN and in infinite values."""


@dataclass(frozen=True)
class RawTensor:
    """A tensor as bytes: safetensors' name of its type (F32, F16, BF16), shape, little-endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class SafetensorsHeader:
    """The beginning of a safetensors file."""

    metadata: dict[str, str]
    tensors: dict[str, dict[str, Any]]
    data_start: int

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a tensor."""
        return tuple(self.tensors[name]["shape"])

    def not_finite(self, path: Path) -> list[str]:
        """Return the names of the tensors of this file that hold NaN or infinite values."""
        import numpy as np

        found = []
        with path.open("rb") as file:
            for name, entry in sorted(self.tensors.items()):
                kind = _EXPONENTS.get(entry["dtype"])
                if kind is None:
                    continue
                start, end = entry["data_offsets"]
                file.seek(self.data_start + start)
                bits = np.frombuffer(file.read(end - start), kind[0])
                if ((bits & kind[1]) == kind[1]).any():
                    found.append(name)
        return found


def serialise(tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file: tensors by name, metadata by key, always the same."""
    payload = b"".join(tensors[name].data for name in sorted(tensors))
    return header_bytes(header_of(tensors, metadata)) + payload


class Described(Protocol):
    """The type and shape of a tensor."""

    @property
    def dtype(self) -> str:
        """Its type, as safetensors names it."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        ...


def header_of(tensors: Mapping[str, Described], metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the header of a file says: metadata by key, and the place of each tensor."""
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        end = offset + prod(tensor.shape) * _BYTES[tensor.dtype]
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    return header


def header_bytes(header: Mapping[str, Any]) -> bytes:
    """Return a header as it begins a file, its length before it."""
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)  # readers map the payload; eight bytes keep it aligned
    return len(text).to_bytes(8, "little") + text


def read_header(path: Path) -> SafetensorsHeader:
    """Read metadata and shapes, not the weights; the whole header is checked.

    Raises:
        UnreadableError: The file is missing, incomplete, or no safetensors file; the reason is
            named.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = _length(file.read(8))
            text = file.read(length)
            if len(text) < length:
                raise _HeaderError("it ends inside its header; it was not copied completely")
        return _parse(text, size - 8 - length)
    except FileNotFoundError as error:
        raise UnreadableError(f"There is no file {path}.") from error
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror or error}.") from error
    except _HeaderError as error:
        raise UnreadableError(f"{path} is not a safetensors file: {error}.") from error


class _HeaderError(Exception):
    """What is wrong with a header, as the end of a sentence."""


def _length(start: bytes) -> int:
    """Return the length of a header from the first 8 bytes of its file."""
    if start.startswith(b"version "):
        raise _HeaderError("it is a pointer of Git LFS; fetch the file itself with: git lfs pull")
    if start.lstrip().startswith(b"<"):
        raise _HeaderError("it is a web page, such as a page to log in; download the file itself")
    if start.startswith((b"PK\x03\x04", b"\x80\x02")):
        raise _HeaderError("it is a file of PyTorch (.pt, .ckpt) with another suffix")
    length = int.from_bytes(start, "little")
    if not 0 < length < _MAX_HEADER:
        raise _HeaderError("it does not begin with the length of a header")
    return length


def _parse(text: bytes, available: int) -> SafetensorsHeader:
    """Read the JSON of a header whose file has ``available`` bytes of tensors."""
    try:
        tensors = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise _HeaderError("its header is not JSON") from error
    if not isinstance(tensors, dict):
        raise _HeaderError("its header is not a table")
    metadata = tensors.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise _HeaderError("its metadata is not a table of texts")
    spans = sorted((*_span(name, entry), name) for name, entry in tensors.items())
    end = 0
    for start, stop, name in spans:
        if start != end:
            raise _HeaderError(f"{name} does not begin where the tensor before it ends")
        end = stop
    if end > available:
        raise _HeaderError(
            f"it has {available} of the {end} bytes that its tensors take;"
            " it was not copied completely"
        )
    if end < available:
        raise _HeaderError(f"{available - end} bytes follow its last tensor")
    return SafetensorsHeader(metadata, tensors, 8 + len(text))


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Return where the bytes of a tensor begin and end."""
    if not isinstance(entry, dict):
        raise _HeaderError(f"{name} is not described by a table")
    shape: Any = entry.get("shape")
    dtype, span = entry.get("dtype"), entry.get("data_offsets", [])
    if not isinstance(dtype, str) or dtype not in _BYTES:
        raise _HeaderError(f"{name} has the unknown type {dtype!r}")
    if not _is_counts(shape) or not _is_counts(span) or len(span) != 2:
        raise _HeaderError(f"{name} has no valid shape or place")
    if span[1] - span[0] != prod(shape) * _BYTES[dtype]:
        raise _HeaderError(f"{name} has another size than its shape says")
    return span[0], span[1]


def _is_counts(value: Any) -> bool:
    """Return whether this is a list of whole numbers, none of them negative."""
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def model_hash(data: bytes) -> str:
    """Return kohya's ``sshs_model_hash``: SHA-256 of the weights, whatever the metadata."""
    return hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()


def legacy_hash(data: bytes) -> str:
    """Return kohya's ``sshs_legacy_hash``: SHA-256 of 64 KiB from 1 MiB on, eight digits.

    Example:
        >>> legacy_hash(b"short")  # nothing there: the hash of no bytes
        'e3b0c442'
    """
    part = data[_LEGACY_START : _LEGACY_START + _LEGACY_LENGTH]
    return hashlib.sha256(part).hexdigest()[:8]


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a whole file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def legacy_file_hash(path: Path) -> str:
    """Return ``legacy_hash`` of a file, of which only the part that counts is read."""
    with path.open("rb") as file:
        file.seek(_LEGACY_START)
        return hashlib.sha256(file.read(_LEGACY_LENGTH)).hexdigest()[:8]


def with_hashes(tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a LoRA file whose metadata holds its own hashes.

    The legacy hash covers a serialisation with ``ss_`` keys only, like that of sd-scripts.
    """
    plain = serialise(tensors, {k: v for k, v in metadata.items() if k.startswith("ss_")})
    weights = model_hash(plain)
    hashes = {
        "sshs_model_hash": weights,
        "sshs_legacy_hash": legacy_hash(plain),
        "modelspec.hash_sha256": f"0x{weights}",
    }
    return serialise(tensors, {**metadata, **hashes})
