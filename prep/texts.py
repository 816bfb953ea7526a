"""Text as people and programs write it: byte order marks, and accents in two forms.

Editors put a byte order mark before UTF-8, and Notepad's "Unicode" is UTF-16. macOS, and what is
copied from its file names, writes an accent as a character of its own (NFD), everything else as
part of the letter (NFC): one word for the eye, two for a program.
"""

import codecs
import errno
import gzip
import io
import json
import os
import re
import stat
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

_LARGEST = 1 << 28
"""Bytes of the largest text that is read: tag lists of a million entries have a tenth of it."""
LARGEST_SETTINGS = 1 << 20
"""The same for settings, whose reader takes some seconds for a megabyte."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?", re.IGNORECASE | re.ASCII)
_PORTION = 1 << 14
_NESTED = "it is nested too deeply"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decoded(data: bytes, errors: str = "strict") -> str:
    r"""Return the text of a file, without its byte order marks; UTF-8 if it has none.

    Raises:
        UnicodeDecodeError: It is not text in that encoding, or contains NUL, as UTF-16 without a
            mark and files of a crashed system do.

    Example:
        >>> decoded(b"\xef\xbb\xbfbear"), decoded("bear".encode("utf-16")), decoded(b"bear")
        ('bear', 'bear', 'bear')
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    text = data.decode(encoding, errors)
    if errors == "strict" and "\0" in text:
        at = data.index(0)
        raise UnicodeDecodeError(encoding, data, at, at + 1, "NUL")
    return text.lstrip("\ufeff")  # files that programs joined begin with more than one


def read_text(file: Path, errors: str = "strict", largest: int = _LARGEST) -> str:
    """Read a text file in any encoding with a byte order mark, or UTF-8; ends of lines become LF.

    Raises:
        OSError: It cannot be read, is not a regular file, or is larger than ``largest`` bytes.
        UnicodeDecodeError: It is not text.
    """
    return with_line_feeds(decoded(read_bytes(file, largest), errors))


def with_line_feeds(text: str) -> str:
    """Return a text whose lines end with LF, whatever they ended with."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def read_bytes(file: Path | str, largest: int = _LARGEST) -> bytes:
    """Read a file that is not an image; half the time of ``Path.read_bytes`` for small ones.

    Args:
        file: The file.
        largest: Maximum of bytes.

    Raises:
        OSError: It cannot be read, is not a regular file, or is larger than that.
    """
    descriptor = open_regular(file)
    try:
        size = os.fstat(descriptor).st_size
        if size > largest:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(file))
        parts = []
        while part := os.read(descriptor, max(_PORTION, size)):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def open_regular(file: Path | str) -> int:
    """Open a file for reading and return its descriptor.

    Raises:
        OSError: It cannot be opened, or is not a regular file.
    """
    # A pipe that nobody writes to would block already on opening; a device may never end.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(file, flags)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(file))
    raise OSError(errno.EINVAL, "not a regular file", str(file))


def unzipped(data: bytes) -> bytes:
    """Return what a gzip file contains.

    Raises:
        OSError: It is damaged, or contains more than 256 MB.
    """
    with gzip.open(io.BytesIO(data)) as stream:
        whole = stream.read(_LARGEST + 1)
    if len(whole) > _LARGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return whole


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text that anybody may have written.

    Raises:
        ValueError: It is not valid, or nested too deeply to be read.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_NESTED) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the table of a TOML text that anybody may have written.

    Raises:
        ValueError: It is not valid, or nested too deeply to be read.
    """
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_NESTED) from None


def composed(text: str) -> str:
    """Return a text with its accents as parts of the letters (NFC)."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def half_width(text: str) -> str:
    """Return a number in the digits that all programs read; other texts as they are.

    An input method for Japanese types full-width digits.

    Example:
        >>> half_width("１０"), half_width("１ｅ－４"), half_width("１０人")
        ('10', '1e-4', '１０人')
    """
    if text.isascii():
        return text
    narrow = unicodedata.normalize("NFKC", text)
    return narrow if _NUMBER.fullmatch(narrow) else text
