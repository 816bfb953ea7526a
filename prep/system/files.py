"""Atomic writes and fingerprints of files.

Everything shikomi writes goes through here, so that a crash, a full disk or a second editor
leaves either the old file or the new one, never half of one.
"""

import errno
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from prep.errors import UserError
from prep.system.leftovers import sweep, unfinished_name
from prep.texts import open_regular

_CHUNK = 1 << 20
_FOLDER_ATTEMPTS = 5
"""How often a folder that vanishes again and again is made before the write fails."""
_swept: set[str] = set()
"""Folders where this process has removed what dead ones left."""
_READING = 2.0 if sys.platform == "win32" else 0.0
"""Seconds that others may take to read a file that is about to be replaced."""


class FileChangedError(Exception):
    """A file was changed by another program while its replacement was being written."""


@dataclass(frozen=True)
class Fingerprint:
    """A cheap way to see that a file has changed: its size (bytes) and mtime (ns)."""

    size: int
    mtime_ns: int


def fingerprint(path: Path) -> Fingerprint | None:
    """Return the current fingerprint of ``path``, or ``None`` if there is no such file."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return None
        raise
    return Fingerprint(stat.st_size, stat.st_mtime_ns)


def content_hash(path: Path) -> str:
    """Return the first 128 bits of the SHA-256 of the file, in hex.

    Raises:
        OSError: It cannot be read, or is not a regular file.
    """
    digest = hashlib.sha256()
    with os.fdopen(open_regular(path), "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:32]


def text_hash(text: str) -> str:
    """Return the first 128 bits of the SHA-256 of the text as UTF-8, in hex."""
    return bytes_hash(text.encode("utf-8", "surrogatepass"))


def bytes_hash(data: bytes) -> str:
    """Return the first 128 bits of the SHA-256 of bytes, in hex, like ``content_hash``."""
    return hashlib.sha256(data).hexdigest()[:32]


def write_bytes(
    path: Path, data: bytes, unchanged: Callable[[], bool] | None = None
) -> Fingerprint:
    """Write ``data`` so that ``path`` is always either the old file or the new one.

    The permissions of a replaced file are kept. The data is on disk before the new file takes
    the old one's place, so that a power cut cannot leave an empty file; the replacement itself
    survives a power cut only once ``sync_folders`` has been called.

    Args:
        path: The file; its folder is created if needed.
        data: The new content.
        unchanged: Asked right before the replacement, which takes milliseconds to get to the disk:
            is the old file still what it was when the new content was made?

    Returns:
        The fingerprint of the new file.

    Raises:
        FileChangedError: It is not; the old file stays.
        UserError: The disk is full, or the folder is not writable; nothing is left behind.
    """

    def write(descriptor: int) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return _written(path, write, unchanged)


def write_large(path: Path, write: Callable[[BinaryIO], None]) -> Fingerprint:
    """As ``write_bytes``, for content that is made while it is written.

    Args:
        path: The file; its folder is created if needed.
        write: Writes the content into a file, in which it may go back. Whatever it raises is
            passed on, and nothing is left behind.
    """

    def filled(descriptor: int) -> None:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            write(file)

    return _written(path, filled, None)


def _written(
    path: Path, write: Callable[[int], None], unchanged: Callable[[], bool] | None
) -> Fingerprint:
    try:
        return _replace(str(path), write, unchanged)
    except OSError as error:
        raise writing_failed(path, error) from error


def write_text(path: Path, text: str, unchanged: Callable[[], bool] | None = None) -> Fingerprint:
    """Write ``text`` as UTF-8 without translating newlines; see ``write_bytes``."""
    return write_bytes(path, text.encode("utf-8"), unchanged)


def _replace(
    path: str, write: Callable[[int], None], unchanged: Callable[[], bool] | None
) -> Fingerprint:
    temporary, descriptor = _new_beside(path)
    try:
        try:
            write(descriptor)
            stat = os.fstat(descriptor)
            _keep_mode(path, temporary, stat.st_mode)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if unchanged is not None and not unchanged():
            raise FileChangedError(path)
        _put_in_place(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise
    return Fingerprint(stat.st_size, stat.st_mtime_ns)


def _put_in_place(temporary: str, path: str) -> None:
    """Replace a file; on Windows that has to wait until nobody reads it."""
    end = time.monotonic() + _READING
    while True:
        try:
            os.replace(temporary, path)  # noqa: PTH105  (hundreds of thousands of times)
            return
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)


def _new_beside(path: str) -> tuple[str, int]:
    """Create and open a hidden file beside ``path``; its mode is what the umask allows.

    The folder is made only when it is missed: most files go into one that is there. Other threads
    may make it, and other processes remove it, in between; so what counts is the next attempt.
    What a killed process left there is removed the first time: a state may have gigabytes.
    """
    folder = os.path.dirname(path)  # noqa: PTH120
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    missed = 0
    while True:
        name = os.path.join(folder, unfinished_name())  # noqa: PTH118
        try:
            return name, os.open(name, flags, 0o666)
        except FileExistsError:
            continue
        except FileNotFoundError:
            missed += 1
            if missed > _FOLDER_ATTEMPTS:
                raise
            os.makedirs(folder, exist_ok=True)  # noqa: PTH103


def _keep_mode(old: str, new: str, present: int) -> None:
    """Give the new file the permissions of the one it replaces."""
    try:
        mode = os.stat(old).st_mode & 0o7777  # noqa: PTH116
    except FileNotFoundError:
        return
    if mode != present & 0o7777:
        os.chmod(new, mode)  # noqa: PTH101


def sync_folders(folders: Iterable[str]) -> None:
    """Make new names in these folders survive a power cut, where the system supports it."""
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except OSError:  # Windows cannot open folders, and does not need this
            continue
        try:
            os.fsync(descriptor)
        except OSError:
            pass
        finally:
            os.close(descriptor)


def writing_failed(path: Path, error: OSError) -> UserError:
    """Return what to tell of a file that could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(
            f"The disk is full: {path} was not written.",
            "Free some space, then run the same command again.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(
            f"No permission to write {path}.", "Check the owner and the permissions of its folder."
        )
    return UserError(f"{path} was not written: {error.strerror or error}.")
