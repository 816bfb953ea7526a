"""Files, carefully: atomic writes, fingerprints, a safe tree walk, and a trash.

Everything shikomi writes goes through here, so that a crash, a full disk or a second editor
leaves either the old file or the new one, never half of one.
"""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prep.errors import UserError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Fingerprint:
    """What tells cheaply that a file has changed: its size (bytes) and time (ns)."""

    size: int
    mtime_ns: int


def fingerprint(path: Path) -> Fingerprint | None:
    """Return the present fingerprint of ``path``, or ``None`` when there is no file."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Fingerprint(stat.st_size, stat.st_mtime_ns)


def content_hash(path: Path) -> str:
    """Return the first 128 bits of the SHA-256 of the file, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:32]


def text_hash(text: str) -> str:
    """Return the first 128 bits of the SHA-256 of the text as UTF-8, in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` so that ``path`` is at every moment either the old file or the new one.

    The permissions of a replaced file are kept.

    Raises:
        UserError: The disk is full, or the folder may not be written; nothing is left behind.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".shikomi-", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _keep_mode(path, Path(temporary))
        Path(temporary).replace(path)
        temporary = None
    except OSError as error:
        raise _writing_failed(path, error) from error
    finally:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 without touching its newlines, as ``write_bytes`` does."""
    write_bytes(path, text.encode("utf-8"))


def _keep_mode(old: Path, new: Path) -> None:
    """Give the new file the permissions of the one it replaces, else what the umask allows."""
    try:
        mode = old.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    new.chmod(mode)


def _writing_failed(path: Path, error: OSError) -> UserError:
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


def walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Yield the regular files below ``root``, folder by folder, in name order.

    Hidden folders and files are left out; each real folder is visited once, so symbolic link
    loops end. A folder that cannot be read raises when it is ``root`` and is passed over below.

    Raises:
        UserError: ``root`` is missing, no folder, or may not be read.
    """
    seen: set[tuple[int, int]] = set()
    stack = [root]
    while stack:
        folder = stack.pop()
        try:
            stat = folder.stat()
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            with os.scandir(folder) as scan:
                entries = sorted(scan, key=lambda entry: entry.name)
        except OSError as error:
            if folder == root:
                raise _reading_failed(root, error) from error
            continue
        folders = []
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                if entry.is_dir():
                    folders.append(Path(entry.path))
                elif entry.is_file():
                    yield entry
            except OSError:
                continue
        stack.extend(reversed(folders))


def _reading_failed(path: Path, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(f"There is no folder {path}.", "Check the spelling of the path.")
    if isinstance(error, NotADirectoryError):
        return UserError(
            f"{path} is a file, not a folder.", "Give the folder that holds the images."
        )
    if isinstance(error, PermissionError):
        return UserError(
            f"No permission to read {path}.", "Check the owner and the permissions of the folder."
        )
    return UserError(f"{path} cannot be read: {error.strerror or error}.")


def move_to_trash(path: Path, root: Path, trash: Path) -> Path:
    """Move ``path`` (below ``root``) into ``trash``, keeping its place in the tree.

    Returns:
        Where it lies now; a number is added when the place is taken.
    """
    target = trash / path.relative_to(root)
    target.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while target.exists():
        target = target.with_name(f"{path.stem}.{number}{path.suffix}")
        number += 1
    shutil.move(path, target)
    return target
