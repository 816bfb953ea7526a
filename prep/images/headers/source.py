"""Bytes of a file by place, with its beginning at hand; and what a header says."""

import os
from typing import NamedTuple

_MOST = 1 << 20
"""No header, and no single piece of one, is longer in a file that is as it should be."""


class UnsupportedHeaderError(Exception):
    """This file is left to Pillow."""


class ImageHeader(NamedTuple):
    """What a header says.

    Attributes:
        width: Pixels as stored, before the EXIF turn.
        height: As ``width``.
        format: Pillow's name.
        orientation: EXIF orientation, 1 (upright) to 8.
        alpha: The file can hold transparency.
        frames: More than 1 for animations.
        whole: The file has the end that its format asks for.
    """

    width: int
    height: int
    format: str
    orientation: int
    alpha: bool
    frames: int
    whole: bool


class HeaderBytes:
    """An open file; ``head`` is its beginning."""

    __slots__ = ("_descriptor", "head", "size")

    def __init__(self, file: tuple[bytes, int, int]) -> None:
        """Hold a file's beginning, its size and its descriptor."""
        self.head, self.size, self._descriptor = file

    def longer(self, length: int) -> bytes:
        """Return the beginning, at least ``length`` bytes of it; it becomes the new ``head``.

        Raises:
            DontKnowError: The file is shorter, or a header should be.
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
            DontKnowError: They are more than a piece should have, or not all there.
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
        """Return the last bytes of the file; fewer when it is shorter."""
        if self.size <= len(self.head):
            return self.head[-length:]
        return self._read(max(0, self.size - length), length)

    def _read(self, place: int, length: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, length, place)
        os.lseek(self._descriptor, place, os.SEEK_SET)
        return os.read(self._descriptor, length)
