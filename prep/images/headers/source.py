"""Bytes of a file by offset, with its beginning in memory; and the result of reading a header."""

import os
from typing import NamedTuple

_MOST = 1 << 20
"""Maximum length of a header, and of a single read, in a well-formed file."""


class UnsupportedHeaderError(Exception):
    """The fast readers do not support this file; Pillow reads it."""


class ImageHeader(NamedTuple):
    """Image properties found in a header.

    Attributes:
        width: Pixels as stored, before EXIF rotation.
        height: Like ``width``.
        format: Pillow's name.
        orientation: EXIF orientation, 1 (upright) to 8.
        alpha: The file can hold transparency.
        frames: More than 1 for animations.
        whole: The file has the end marker of its format.
        profile: The file says which colours its numbers stand for.
    """

    width: int
    height: int
    format: str
    orientation: int
    alpha: bool
    frames: int
    whole: bool
    profile: bool = False


class HeaderBytes:
    """Bytes of an open file; ``head`` is its beginning."""

    __slots__ = ("_descriptor", "head", "size")

    def __init__(self, file: tuple[bytes, int, int]) -> None:
        """Hold a file's beginning, its size and its descriptor."""
        self.head, self.size, self._descriptor = file

    def longer(self, length: int) -> bytes:
        """Return the beginning, at least ``length`` bytes of it; it becomes the new ``head``.

        Raises:
            UnsupportedHeaderError: The file is shorter, or this is too long for a header.
        """
        if length > min(self.size, _MOST):
            raise UnsupportedHeaderError
        missing = min(max(length, 4 * len(self.head)), self.size) - len(self.head)
        self.head += self._read(len(self.head), missing)
        if len(self.head) < length:
            raise UnsupportedHeaderError
        return self.head

    def at(self, place: int, length: int) -> bytes:
        """Return exactly ``length`` bytes.

        Raises:
            UnsupportedHeaderError: They exceed the maximum of one read, or are not all there.
        """
        end = place + length
        if end <= len(self.head):
            return self.head[place:end]
        if length > _MOST:
            raise UnsupportedHeaderError
        data = self._read(place, length)
        if len(data) != length:
            raise UnsupportedHeaderError
        return data

    def tail(self, length: int) -> bytes:
        """Return the last bytes of the file; fewer if it is shorter."""
        if self.size <= len(self.head):
            return self.head[-length:]
        return self._read(max(0, self.size - length), length)

    def _read(self, place: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, place)
        os.lseek(self._descriptor, place, os.SEEK_SET)
        return os.read(self._descriptor, length)
