"""Names of unfinished files and folders, which say whose they are; and sweeping up dead ones.

What a killed process was writing keeps its hidden name. The next run removes it, but nothing that
a living process is still writing, and nothing that has another name.
"""

import hashlib
import itertools
import os
import platform
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = ".shikomi-"
_NAME = re.compile(r"\.shikomi-(?:[a-z]+-)?([0-9a-f]{8})-(\d{1,10})-\d+")
_NUMBERS = itertools.count()
_DAY = 86_400.0
"""Seconds after which what another machine began is taken for abandoned."""


def unfinished_name(kind: str = "") -> str:
    """Return a new hidden name for something that this process is about to write.

    Args:
        kind: A word in lower case that becomes part of it.
    """
    return f"{PREFIX}{kind and kind + '-'}{_machine()}-{os.getpid()}-{next(_NUMBERS)}"


@contextmanager
def unfinished_folder(place: Path, kind: str) -> Iterator[Path]:
    """Create a folder with such a name below ``place``, and remove it at the end."""
    folder = place / unfinished_name(kind)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path | str) -> None:
    """Remove what dead processes left in a folder; folders below it are not visited."""
    with suppress(OSError):
        sweep_names(folder, [name for name in os.listdir(folder) if name.startswith(PREFIX)])  # noqa: PTH208


def sweep_names(folder: Path | str, names: Iterable[str]) -> None:
    """Remove those entries of a folder that dead processes left there."""
    for name in names:
        path = os.path.join(folder, name)  # noqa: PTH118  (for many folders)
        with suppress(OSError):
            if not _is_abandoned(path, name):
                continue
            if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
                shutil.rmtree(path)
            else:
                os.unlink(path)  # noqa: PTH108


def _is_abandoned(path: str, name: str) -> bool:
    match = _NAME.fullmatch(name)
    if match is None:
        return False
    if match[1] == _machine() and sys.platform != "win32":
        return not _is_alive(int(match[2]))
    return time.time() - os.lstat(path).st_mtime > _DAY


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@cache
def _machine() -> str:
    """Return what tells machines apart, and containers, whose process numbers are their own."""
    space = ""
    with suppress(OSError):
        space = str(os.stat("/proc/self/ns/pid").st_ino)  # noqa: PTH116
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]
