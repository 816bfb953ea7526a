"""Faults of the two databases, in words for people; a damaged ``cache.db`` is discarded.

SQLite notices damage only when it reads the damaged page, which may be long after opening; reading
all pages of every project at every start would cost too much. So the question is asked when
something fails.
"""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from prep.errors import RetryError, UserError

_BYTES_OF_CODE = 0xFF
"""An extended result code holds the primary one in its lowest byte (sqlite.org/rescode.html)."""
_LOGS = 1 << 20
"""Bytes of free space that SQLite's logs surely fit into at first."""
_DISK_FULL = frozenset({sqlite3.SQLITE_FULL})
_UNREADABLE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_NOT_WRITABLE = frozenset(
    {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_IOERR}
)
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class CacheDamagedError(RetryError):
    """``cache.db`` was damaged and has been discarded; the next opening creates a new one."""


def explain(error: Exception, state: Path) -> UserError | None:
    """Return what to tell of an error during work with the databases; ``None`` if it is not theirs.

    Args:
        error: What was raised.
        state: The folder with ``cache.db`` and ``work.db``.
    """
    if isinstance(error, UserError | OSError):
        return None
    code = _code(error)
    if code in _DISK_FULL or (code in _NOT_WRITABLE and _is_nearly_full(state)):
        return _disk_full(state)
    if code in _NOT_WRITABLE:
        return UserError(
            f"The databases in {state} cannot be used: {error}.", "Check that they are writable."
        )
    if code in _BUSY:
        return RetryError(
            f"Another process is writing to the databases in {state}.",
            "Wait until it has finished, then try again.",
        )
    if damaged(state / "work.db"):
        return UserError(
            f"{state / 'work.db'} is damaged.",
            "It contains the journal: restore it from a backup, or move it away.",
        )
    # Text that is not UTF-8 is damage that no check of pages notices.
    undecodable = isinstance(error, sqlite3.OperationalError) and "decode" in str(error)
    if code in _UNREADABLE or undecodable or damaged(state / "cache.db"):
        discard(state / "cache.db")
        return CacheDamagedError(
            f"{state / 'cache.db'} was damaged and has been discarded.",
            "It can be computed again: run the same command again.",
        )
    return None


def _disk_full(state: Path) -> UserError:
    """Return the fault of a disk with no space left for the databases."""
    return UserError(
        f"The disk is full: nothing could be written to {state}.",
        "Free some space, then run the same command again.",
    )


def damaged(file: Path) -> bool:
    """Return whether the pages of a database are damaged; reads all of them."""
    if not file.exists():
        return False
    try:
        with closing(sqlite3.connect(file, timeout=30)) as connection:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return _code(error) in _UNREADABLE
    return bool(answer != ("ok",))


def discard(file: Path) -> None:
    """Delete a database together with its log; processes that have it open keep their copy."""
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{file}{suffix}").unlink()


def _is_nearly_full(folder: Path) -> bool:
    """Return whether there is so little space that SQLite cannot grow its logs.

    It then reports an error of input or output, since it maps one of them into memory.
    """
    try:
        return shutil.disk_usage(folder).free < _LOGS
    except OSError:
        return False


def _code(error: Exception) -> int | None:
    """Return the primary result code of SQLite; ``None`` if the error does not have one."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & _BYTES_OF_CODE if isinstance(code, int) else None


def refuse_special(file: Path) -> None:
    """Refuse a database that is a folder, a pipe or a device, whose errors SQLite does not name.

    Raises:
        UserError: It is.
    """
    if file.exists() and not file.is_file():
        raise UserError(f"{file} is not a regular file.", "Move it away.")
