"""LoRA files: reading and writing safetensors, their hashes, and what is in one. No torch.

Files are serialised here and not by the safetensors library, because the library writes its
metadata in no fixed order, and the same run should give the same bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.errors import UnreadableError
from train.lora.algorithms import algorithm_of
from train.lora.keys import is_sd15_module, module_of

_LEGACY_START, _LEGACY_LENGTH = 0x100000, 0x10000
_MAX_HEADER = 100_000_000


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


def serialise(tensors: Mapping[str, RawTensor], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a safetensors file: tensors by name, metadata by key, always the same."""
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    offset = 0
    for name in sorted(tensors):
        tensor = tensors[name]
        end = offset + len(tensor.data)
        header[name] = {
            "dtype": tensor.dtype,
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)  # readers map the payload; eight bytes keep it aligned
    payload = b"".join(tensors[name].data for name in sorted(tensors))
    return len(text).to_bytes(8, "little") + text + payload


def read_header(path: Path) -> SafetensorsHeader:
    """Read metadata and shapes, not the weights.

    Raises:
        UnreadableError: The file is missing or no safetensors file.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 0 < length < _MAX_HEADER:
                raise ValueError("no header")
            tensors = json.loads(file.read(length))
            metadata = {str(k): str(v) for k, v in tensors.pop("__metadata__", {}).items()}
            if not all({"dtype", "shape", "data_offsets"} <= t.keys() for t in tensors.values()):
                raise ValueError("no tensors")
    except FileNotFoundError as error:
        raise UnreadableError(f"There is no file {path}.") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{path} is not a safetensors file.") from error
    return SafetensorsHeader(metadata, tensors, 8 + length)


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


@dataclass(frozen=True)
class LoraInfo:
    """What ``shikomi lora info`` reports.

    Attributes:
        family: sd15, sdxl or unknown.
        algorithm: Names of ``train.lora.algorithms``, joined by + where there are several; locon
            for LoRA with 3x3 convolutions; unknown for modules of none of them.
        ranks: Ranks that occur; the most frequent one first.
        alphas: Alphas that metadata or tensors name.
        modules: Number of modules, by part: unet, text_encoder…
        unmatched: Modules that the model does not have.
    """

    path: Path
    family: str
    algorithm: str
    ranks: tuple[int, ...]
    alpha: float | None
    modules: dict[str, int]
    unmatched: tuple[str, ...]
    metadata: dict[str, str] = field(repr=False)


def inspect(path: Path, known: set[str] | None = None) -> LoraInfo:
    """Look into a LoRA file.

    Args:
        path: The file.
        known: Names of the base model's modules; without it, all that SD 1.5 can have.

    Raises:
        UnreadableError: No safetensors file, or nothing of a LoRA in it.
    """
    header = read_header(path)
    leaves: dict[str, set[str]] = {}
    for key in header.tensors:
        leaves.setdefault(module_of(key), set()).add(key.partition(".")[2])
    names = sorted(leaves)
    algorithm = _algorithm(header, leaves.values())
    if algorithm in ("", "unknown"):
        raise UnreadableError(f"{path.name} does not contain a LoRA that shikomi knows.")
    unmatched = [n for n in names if not (n in known if known is not None else is_sd15_module(n))]
    return LoraInfo(
        path,
        _family(names),
        algorithm,
        _ranks(header),
        _alpha(header, path),
        _parts(names),
        tuple(unmatched),
        header.metadata,
    )


def _algorithm(header: SafetensorsHeader, modules: Iterable[set[str]]) -> str:
    """Return the algorithm of a file, by the tensors of each module; joined where several occur."""
    known = map(algorithm_of, modules)
    found = {"unknown" if algorithm is None else algorithm.name for algorithm in known}
    if found == {"lora"} and _has_wide_convolutions(header):
        return "locon"
    return "+".join(sorted(found))


def _has_wide_convolutions(header: SafetensorsHeader) -> bool:
    downs = (header.shape(k) for k in header.tensors if k.endswith("lora_down.weight"))
    return any(len(shape) == 4 and shape[2:] != (1, 1) for shape in downs)


def _family(names: list[str]) -> str:
    if any(re.match(r"lora_te[12]_|lora_unet_(input|output|middle)_block", n) for n in names):
        return "sdxl"
    return "sd15" if any(is_sd15_module(name) for name in names) else "unknown"


def _ranks(header: SafetensorsHeader) -> tuple[int, ...]:
    counts: dict[int, int] = {}
    for key in header.tensors:
        if key.endswith("lora_down.weight"):
            rank = header.shape(key)[0]
            counts[rank] = counts.get(rank, 0) + 1
    return tuple(sorted(counts, key=lambda rank: -counts[rank]))


def _alpha(header: SafetensorsHeader, path: Path) -> float | None:
    """Return the alpha of the first module, from its tensor."""
    import struct

    entries = [e for k, e in header.tensors.items() if k.endswith(".alpha")]
    if not entries:
        return None
    entry = entries[0]
    start, end = entry["data_offsets"]
    with path.open("rb") as file:
        file.seek(header.data_start + start)
        data = file.read(end - start)
    if entry["dtype"] == "BF16":
        return float(struct.unpack("<f", b"\0\0" + data)[0])
    code = {"F16": "<e", "F32": "<f", "F64": "<d"}.get(entry["dtype"])
    return float(struct.unpack(code, data)[0]) if code else None


def _parts(names: list[str]) -> dict[str, int]:
    labels = {
        "lora_unet_": "unet",
        "lora_te_": "text_encoder",
        "lora_te1_": "text_encoder",
        "lora_te2_": "text_encoder_2",
    }
    counts: dict[str, int] = {}
    for name in names:
        prefix = next((p for p in labels if name.startswith(p)), "")
        label = labels.get(prefix, "other")
        counts[label] = counts.get(label, 0) + 1
    return counts
