"""The inputs of an ONNX file, read without its weights.

Only the outer fields of the protobuf messages are walked; the weights, which may be gigabytes, are
skipped. Field numbers are those of ``onnx.proto3``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

_GRAPH, _INPUT = 7, 11
_VALUE_NAME, _VALUE_TYPE, _TENSOR, _SHAPE, _DIMENSION, _SIZE = 1, 2, 1, 2, 1, 1
_BYTES = 2
"""Wire type of strings and messages."""
_MOST = 1 << 16
"""Bytes of the description of an input; a longer one is not that of a picture."""


@dataclass(frozen=True)
class PictureInput:
    """An input for pictures.

    Attributes:
        name: Its name.
        channels_first: Axes are batch, channels, height, width.
        side: Height, pixels; 0 if the model leaves it open.
    """

    name: str
    channels_first: bool
    side: int


def picture_input(model: Path) -> PictureInput | None:
    """Return the first input with four axes, one of them with three channels; else ``None``.

    A file that is not ONNX has none.
    """
    try:
        with model.open("rb") as file:
            return _first(file)
    except (OSError, ValueError):
        return None


def _first(file: BinaryIO) -> PictureInput | None:
    size = file.seek(0, 2)
    file.seek(0)
    for field, length in _fields(file, size):
        if field == _GRAPH:
            for part, inner in _fields(file, file.tell() + length):
                found = _picture(file.read(inner)) if part == _INPUT and inner < _MOST else None
                if found is not None:
                    return found
    return None


def _picture(value: bytes) -> PictureInput | None:
    name = b"".join(_parts(value, _VALUE_NAME)).decode(errors="replace")
    shapes = [
        shape
        for kind in _parts(value, _VALUE_TYPE)
        for tensor in _parts(kind, _TENSOR)
        for shape in _parts(tensor, _SHAPE)
    ]
    sizes = [_number(axis) for shape in shapes[:1] for axis in _parts(shape, _DIMENSION)]
    if len(sizes) != 4 or 3 not in (sizes[1], sizes[3]):
        return None
    first = sizes[1] == 3
    return PictureInput(name, first, sizes[2 if first else 1])


def _parts(message: bytes, wanted: int) -> Iterator[bytes]:
    """Yield the values of a field of strings or messages."""
    stream = BytesIO(message)
    for field, length in _fields(stream, len(message)):
        if field == wanted:
            yield stream.read(length)


def _number(axis: bytes) -> int:
    """Return the size of an axis; 0 if it is open."""
    stream = BytesIO(axis)
    return _varint(stream) if _varint(stream) == _SIZE << 3 else 0


def _fields(stream: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of the fields up to ``end`` whose values have a length.

    The stream stands at the value; wherever the caller leaves it, the next field follows.

    Raises:
        ValueError: These are not fields.
    """
    while stream.tell() < end:
        key = _varint(stream)
        field, wire = key >> 3, key & 7
        if wire == _BYTES:
            length = _varint(stream)
            behind = stream.tell() + length
            if behind > end:
                raise ValueError("a field is longer than its message")
            yield field, length
            stream.seek(behind)
        elif wire == 0:
            _varint(stream)
        elif wire in (1, 5):
            stream.seek(8 if wire == 1 else 4, 1)
        else:
            raise ValueError(f"unknown wire type {wire}")


def _varint(stream: BinaryIO) -> int:
    number = 0
    for shift in range(0, 70, 7):
        byte = stream.read(1)
        if not byte:
            raise ValueError("the file ends within a number")
        number |= (byte[0] & 0x7F) << shift
        if not byte[0] & 0x80:
            return number
    raise ValueError("a number is too long")
