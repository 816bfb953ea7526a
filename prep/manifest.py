"""What an export has made: so that a second one writes nothing, and nobody's files are touched.

Each file has a recipe, a text that says from what it was made; the same recipe gives the same
bytes. Files are claimed in the manifest before they are written: what a killed export leaves
behind is known to be ours.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from enum import Enum
from hashlib import sha256
from pathlib import Path

from prep.errors import UserError
from prep.files import content_hash, fingerprint, write_text

FILE_NAME = ".shikomi-export.json"
_VERSION = 1
_CLAIMED = ""


class State(Enum):
    """What lies at a place where an export wants to write."""

    ABSENT = "nothing"
    OURS = "a file we made"
    CHANGED = "a file we made and somebody changed"
    FOREIGN = "a file we did not make"


@dataclass(frozen=True)
class Entry:
    """A file we made: its recipe, its size (bytes), time (ns) and the hash of its content."""

    recipe: str
    size: int = 0
    mtime_ns: int = 0
    content: str = ""


def entry_of(file: Path, recipe: str, data: bytes) -> Entry:
    """Return the entry of a file that holds ``data``."""
    mark = fingerprint(file)
    size, mtime_ns = (mark.size, mark.mtime_ns) if mark else (0, 0)
    return Entry(recipe, size, mtime_ns, sha256(data).hexdigest()[:32])


class Manifest:
    """The files of one export folder, by name relative to it, with slashes."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of ``folder``; a missing or damaged one knows no files."""
        self.folder = folder
        self._file = folder / FILE_NAME
        self._saved = _read(self._file)
        self._entries = dict(self._saved)

    def names(self) -> list[str]:
        """Return the files that we made or claimed."""
        return list(self._entries)

    def state(self, name: str) -> State:
        """Look at the file: is it there, ours, unchanged? Its content is read when in doubt."""
        file, entry = self.folder / name, self._entries.get(name)
        mark = fingerprint(file)
        if mark is None:
            return State.ABSENT
        if entry is None:
            return State.FOREIGN
        if entry.recipe == _CLAIMED or (entry.size, entry.mtime_ns) == (mark.size, mark.mtime_ns):
            return State.OURS
        if entry.size != mark.size or content_hash(file) != entry.content:
            return State.CHANGED
        # Copied or restored from a backup: only its time differs.
        self._entries[name] = Entry(entry.recipe, mark.size, mark.mtime_ns, entry.content)
        return State.OURS

    def has(self, name: str, recipe: str) -> bool:
        """Was the file made by this recipe? Its state is another question."""
        entry = self._entries.get(name)
        return entry is not None and entry.recipe == recipe

    def claim(self, names: Iterable[str]) -> None:
        """Note, on disk, that these files are about to be written.

        Raises:
            UserError: The folder may not be written, or the disk is full.
        """
        self._entries |= {name: Entry(_CLAIMED) for name in names}
        self.save()

    def record(self, name: str, entry: Entry) -> None:
        """Note that a file was written; ``save`` puts it on disk."""
        self._entries[name] = entry

    def forget(self, name: str) -> None:
        """Note that a file is no longer there, or no longer ours."""
        self._entries.pop(name, None)

    def save(self) -> None:
        """Write the manifest if it has changed.

        Raises:
            UserError: The folder may not be written, or the disk is full.
        """
        if self._entries != self._saved:
            files = {name: astuple(entry) for name, entry in sorted(self._entries.items())}
            text = json.dumps({"version": _VERSION, "files": files}, ensure_ascii=False, indent=0)
            write_text(self._file, text + "\n")
            self._saved = dict(self._entries)


def _read(file: Path) -> Mapping[str, Entry]:
    try:
        data = json.loads(file.read_text("utf-8"))
        if data["version"] > _VERSION:
            raise UserError(f"{file} was made by a newer shikomi.", "Update shikomi.")
        return {name: Entry(*values) for name, values in data["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
