"""Single-file checkpoints: which tensors they hold, and reading these one by one.

``.safetensors`` files are described by their headers, without torch. ``.ckpt`` files are pickles:
they are read by torch with ``weights_only``, which runs no code from them.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.errors import UnreadableError, UserError
from train.lora.file import SafetensorsHeader, read_header
from train.lora.layout import Shape
from train.lora.streaming import StoredTensor

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".ckpt", ".pt", ".pth", ".bin")
SUFFIXES = (".safetensors", *PICKLES)
"""Files that may be a base model or a VAE."""
_GGUF = b"GGUF"
_SMALL = ("F8_", "U8", "I8", "I4", "F4")
_TYPES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}
"""torch's names of safetensors' types."""
_WEIGHT = 2
"""Axes of what must not be quantised; norms and biases have fewer."""


@dataclass(frozen=True)
class SingleFile:
    """A checkpoint file.

    Attributes:
        path: The file.
        shapes: The shape of each tensor, by its name in the file.
        metadata: Of a safetensors file.
    """

    path: Path
    shapes: Mapping[str, Shape]
    metadata: Mapping[str, str]
    _header: SafetensorsHeader | None = None

    @classmethod
    def open(cls, path: Path) -> "SingleFile":
        """Read which tensors a file holds.

        Raises:
            UnreadableError: It is missing, damaged, or no checkpoint.
            UserError: Its weights are quantised.
        """
        _refuse_gguf(path)
        if path.suffix.lower() in PICKLES:
            return cls(path, {n: tuple(t.shape) for n, t in _unpickled(path).items()}, {})
        if path.suffix.lower() not in SUFFIXES:
            raise UserError(
                f"{path} is no checkpoint.", f"Choose a file that ends in {' or '.join(SUFFIXES)}."
            )
        header = read_header(path)
        shapes = {name: header.shape(name) for name in header.tensors}
        kinds = {
            entry["dtype"]
            for name, entry in header.tensors.items()
            if len(shapes[name]) >= _WEIGHT and entry["dtype"].startswith(_SMALL)
        }
        if kinds:
            raise UserError(
                f"{path.name} holds quantised weights ({', '.join(sorted(kinds))}).",
                "Training needs the fp16, bf16 or fp32 file of the same model.",
            )
        return cls(path, shapes, header.metadata, header)

    def has(self, prefix: str) -> bool:
        """Return whether the name of a tensor begins with this."""
        return any(name.startswith(prefix) for name in self.shapes)

    def stored(self) -> dict[str, StoredTensor]:
        """Return the tensors of a safetensors file as the bytes that they are; of others, none.

        Raises:
            UnreadableError: The file has changed since it was opened.
        """
        if self.path.suffix.lower() in PICKLES:
            return {}
        header = read_header(self.path)

        def read(start: int, end: int) -> bytes:
            with self.path.open("rb") as file:
                file.seek(header.data_start + start)
                return file.read(end - start)

        return {
            name: StoredTensor(
                entry["dtype"], header.shape(name), partial(read, *entry["data_offsets"])
            )
            for name, entry in header.tensors.items()
        }

    def tensors(self, names: Iterable[str]) -> Iterator[tuple[str, "Tensor"]]:
        """Yield tensors in their own types, one at a time.

        Raises:
            UnreadableError: The file has changed since it was opened.
        """
        try:
            if self._header is None:
                stored = _unpickled(self.path)
                yield from ((name, stored[name]) for name in names)
                return
            # Read, not mapped: mapped pages would count as memory of this process.
            with self.path.open("rb") as file:
                for name in names:
                    yield name, _tensor(file, self._header, name)
        except UserError:
            raise
        except Exception as error:  # the readers raise nearly anything for a broken file
            raise UnreadableError(f"{self.path} cannot be read: {error}.") from error


def _tensor(file: BufferedReader, header: SafetensorsHeader, name: str) -> "Tensor":
    entry = header.tensors[name]
    start, end = entry["data_offsets"]
    file.seek(header.data_start + start)
    data = bytearray(end - start)
    if file.readinto(data) < len(data):
        raise EOFError(f"{name} is cut off")
    return as_tensor(entry["dtype"], entry["shape"], data)


def as_tensor(dtype: str, shape: Sequence[int], data: bytearray) -> "Tensor":
    """Return bytes as the tensor that they are, on the CPU; it shares their memory.

    Args:
        dtype: safetensors' name of the type.
        shape: Of the tensor.
        data: Little-endian.
    """
    import torch

    kind = getattr(torch, _TYPES[dtype])
    return torch.frombuffer(data, dtype=kind).reshape(shape) if data else torch.empty(0)


def _refuse_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            gguf = file.read(len(_GGUF)) == _GGUF
    except FileNotFoundError as error:
        raise UnreadableError(f"There is no file {path}.") from error
    except OSError as error:
        raise UnreadableError(f"{path} cannot be read: {error.strerror}.") from error
    if gguf or path.suffix.lower() == ".gguf":
        raise UserError(
            f"{path.name} is a GGUF file: its weights are quantised.",
            "Training needs the .safetensors file of the same model.",
        )


def _loaded(path: Path) -> object:
    import torch

    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        return torch.load(path, mmap=True, **options)
    except RuntimeError:  # files of before torch 1.6 cannot be mapped
        return torch.load(path, **options)


def _unpickled(path: Path) -> "dict[str, Tensor]":
    """Read a pickle that holds nothing but tensors, mapped into memory where its format allows.

    Raises:
        UnreadableError: It is damaged, or holds code.
    """
    import pickle

    import torch

    try:
        with warnings.catch_warnings():  # for developers, of pickles by others than torch
            warnings.simplefilter("ignore", UserWarning)
            data = _loaded(path)
    except pickle.UnpicklingError as error:
        raise UnreadableError(
            f"{path.name} holds more than weights, perhaps code: it was not opened.",
            "Use the .safetensors file of the same model.",
        ) from error
    except Exception as error:  # torch raises nearly anything for a broken file
        raise UnreadableError(f"{path} is not a checkpoint, or is damaged.") from error
    if isinstance(data, dict) and isinstance(data.get("state_dict"), dict):
        data = data["state_dict"]
    if not isinstance(data, dict):
        raise UnreadableError(f"{path} holds no weights by name.")
    return {str(name): value for name, value in data.items() if isinstance(value, torch.Tensor)}
