"""What an export is about to write, on disk before the files are: one line for each.

The manifest is saved every few hundred files. If an export is killed in between, this log tells
the next one which files are its own: those with exactly the content that was announced.
"""

import json
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import IO

from prep.texts import parse_json, read_text

LOG_NAME = ".shikomi-exporting.json"

Announced = tuple[str, str, int, str]
"""Name, recipe, size in bytes, content hash."""


class WriteLog:
    """The log of one export folder; threads may announce at the same time."""

    def __init__(self, folder: Path) -> None:
        """Open the log of ``folder``; nothing is created before something is announced."""
        self._file = folder / LOG_NAME
        self._stream: IO[str] | None = None
        self._lock = Lock()

    def read(self) -> dict[str, list[Announced]]:
        """Return what earlier exports announced and did not finish, newest first, by name."""
        found: dict[str, list[Announced]] = defaultdict(list)
        try:
            # A power failure may leave NUL or half a character in the last line.
            lines = read_text(self._file, "replace").split("\n")
        except (OSError, ValueError):
            return {}
        for line in reversed(lines):
            entry = _entry(line)
            if entry is not None:
                found[entry[0]].append(entry)
        return dict(found)

    def announce(self, entry: Announced) -> None:
        """Add a line.

        Raises:
            OSError: The folder is not writable, or the disk is full.
        """
        with self._lock:
            if self._stream is None:
                self._stream = self._opened()
            self._stream.write(json.dumps(entry, ensure_ascii=False) + "\n")
            self._stream.flush()

    def _opened(self) -> IO[str]:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._file.is_symlink():  # never ours: appending would change what it points to
            self._file.unlink()
        stream = self._file.open("a", encoding="utf-8")
        if stream.tell():
            stream.write("\n")  # a killed export may have left half a line
        return stream

    def close(self) -> None:
        """Release the file."""
        with self._lock:
            if self._stream is not None:
                with suppress(OSError):  # the disk is full: half a line is left out when reading
                    self._stream.close()
                self._stream = None

    def clear(self) -> None:
        """Remove it: everything announced is in the manifest."""
        self.close()
        self._file.unlink(missing_ok=True)


def _entry(line: str) -> Announced | None:
    """Return a line of the log; ``None`` for what no export writes."""
    try:
        name, recipe, size, content = parse_json(line)
    except (ValueError, TypeError):
        return None
    texts = all(isinstance(text, str) for text in (name, recipe, content))
    return (name, recipe, size, content) if texts and isinstance(size, int) else None
