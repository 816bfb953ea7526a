"""The files of an export, so that a second one writes nothing and no other files are touched.

It also stores the contents of the training set (``snapshot``), so that exports can be compared.

Each file has a recipe, a text that describes its sources; the same recipe gives the same
bytes. Files are announced, with their content, before they are written, so that files left by a
killed export are known to be ours.

A manifest may come from somebody else. A file is ours only if it has the recorded content, and
names that lead out of the folder are none of ours.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, replace
from enum import Enum
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from prep.errors import ConfigError, UserError
from prep.system.boundary import Boundary
from prep.system.files import content_hash, fingerprint, write_text, writing_failed
from prep.texts import parse_json, read_text
from prep.training_set.snapshot import Snapshot
from prep.training_set.write_log import WriteLog

FILE_NAME = ".shikomi-export.json"
_VERSION = 1
T = TypeVar("T")


class FileState(Enum):
    """State of a path at which an export wants to write."""

    ABSENT = "nothing"
    OURS = "a file we wrote"
    CHANGED = "a file we wrote and somebody changed"
    FOREIGN = "a file we did not write"


@dataclass(frozen=True)
class ManifestEntry:
    """A file we wrote: its recipe, size (bytes), mtime (ns) and content hash."""

    recipe: str
    size: int = 0
    mtime_ns: int = 0
    content: str = ""


def entry_of(file: Path, recipe: str, data: bytes) -> ManifestEntry:
    """Return the entry of a file with content ``data``."""
    mark = fingerprint(file)
    size, mtime_ns = (mark.size, mark.mtime_ns) if mark else (0, 0)
    return ManifestEntry(recipe, size, mtime_ns, sha256(data).hexdigest()[:32])


class Manifest:
    """The files of one export folder, by name relative to it, with slashes."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of ``folder``; a missing or damaged one counts as empty."""
        self.folder = folder
        self._file = folder / FILE_NAME
        self._boundary = Boundary(folder)
        self._log = WriteLog(folder)
        data = _data(self._file)
        self._saved = self._inside(_entries(data))
        self._entries = dict(self._saved)
        self._announced = self._inside(self._log.read())
        self._snapshot = _snapshot(data)
        self._kept_snapshot = self._snapshot

    @property
    def snapshot(self) -> Snapshot | None:
        """Contents of the export; ``None`` while it is not finished."""
        return self._snapshot

    def finish(self, snapshot: Snapshot) -> None:
        """Record the contents of the finished export; ``save`` writes them."""
        self._snapshot = snapshot

    def names(self) -> list[str]:
        """Return the files that we wrote or announced; the others may not be there."""
        return list(self._entries | self._announced)

    def refuse_outside(self, names: Iterable[str]) -> None:
        """Refuse to write files by names that links lead out of the folder.

        Raises:
            ConfigError: There is one.
        """
        for name in names:
            if not self._boundary.holds(name):
                raise ConfigError(
                    f"{self.folder / name} is outside of {self.folder}: a folder is a link.",
                    "Remove the link, or export to another folder with --out.",
                )

    def state(self, name: str) -> FileState:
        """Return the state of a file; reads its content if in doubt."""
        file, entry = self.folder / name, self._entries.get(name)
        mark = fingerprint(file)
        if mark is None:
            return FileState.ABSENT
        announced = self._announced.get(name, [])
        if entry is None and not announced:
            return FileState.FOREIGN
        if entry is not None and (entry.size, entry.mtime_ns) == (mark.size, mark.mtime_ns):
            return FileState.OURS
        candidates = [ManifestEntry(recipe, size, 0, hash_) for _, recipe, size, hash_ in announced]
        candidates += [entry] if entry is not None else []
        content = content_hash(file) if any(c.size == mark.size for c in candidates) else None
        found = next((each for each in candidates if each.content == content), None)
        if found is None:
            return FileState.CHANGED
        # Announced by a killed export, or restored from a backup: only its time differs.
        self._entries[name] = replace(found, size=mark.size, mtime_ns=mark.mtime_ns)
        return FileState.OURS

    def has(self, name: str, recipe: str) -> bool:
        """Return whether the file was made by this recipe, whatever its state."""
        entry = self._entries.get(name)
        return entry is not None and entry.recipe == recipe

    def recipe(self, name: str) -> str:
        """Return the recipe that a file was made by; an empty string if it is not ours."""
        entry = self._entries.get(name)
        return entry.recipe if entry else ""

    def content(self, name: str, recipe: str) -> str:
        """Return the hash of the file that was made by this recipe; an empty string for none."""
        return self._entries[name].content if self.has(name, recipe) else ""

    def hashes(self) -> dict[str, str]:
        """Return the hashes of the files that we wrote, by name."""
        return {name: entry.content for name, entry in self._entries.items() if entry.content}

    def begin(self) -> None:
        """Record, on disk, that the export is not finished.

        Raises:
            UserError: The folder is not writable, or the disk is full.
        """
        self._snapshot = None
        self.save()

    def announce(self, name: str, recipe: str, size: int, content: str) -> None:
        """Record, on disk, that a file is about to get this content; threads may call it.

        Raises:
            UserError: The folder is not writable, or the disk is full.
        """
        try:
            self._log.announce((name, recipe, size, content))
        except OSError as error:
            raise writing_failed(self.folder / name, error) from error

    def record(self, name: str, entry: ManifestEntry) -> None:
        """Record that a file was written; ``save`` writes this to disk."""
        self._entries[name] = entry

    def forget(self, name: str) -> None:
        """Record that a file is no longer there, or no longer ours."""
        self._entries.pop(name, None)
        self._announced.pop(name, None)

    def save(self) -> None:
        """Write the manifest if it has changed.

        Raises:
            UserError: The folder is not writable, or the disk is full.
        """
        if self._entries == self._saved and self._snapshot == self._kept_snapshot:
            return
        files = {name: astuple(entry) for name, entry in sorted(self._entries.items())}
        data: dict[str, Any] = {"version": _VERSION, "files": files}
        if self._snapshot is not None:
            data["made_of"] = self._snapshot.to_data()
        write_text(self._file, json.dumps(data, ensure_ascii=False) + "\n")
        self._saved, self._kept_snapshot = dict(self._entries), self._snapshot

    def complete(self) -> None:
        """Save the manifest of an export that wrote all that it announced.

        Raises:
            UserError: The folder is not writable, or the disk is full.
        """
        self.save()
        self._log.clear()

    def close(self) -> None:
        """Release the files of an interrupted export; what was announced stays on record."""
        self._log.close()

    def _inside(self, entries: Mapping[str, T]) -> dict[str, T]:
        return {name: entry for name, entry in entries.items() if self._boundary.holds(name)}


def _data(file: Path) -> Mapping[str, Any]:
    """Return the content of a manifest; empty for a missing or damaged one."""
    try:
        data: Mapping[str, Any] = parse_json(read_text(file))
        if data["version"] > _VERSION:
            raise UserError(f"{file} was created by a newer version of shikomi.", "Update shikomi.")
    except (OSError, ValueError, TypeError, KeyError):
        return {}
    return data


def _entries(data: Mapping[str, Any]) -> Mapping[str, ManifestEntry]:
    try:
        entries = {name: ManifestEntry(*values) for name, values in data["files"].items()}
    except (TypeError, KeyError, AttributeError):
        return {}
    return {name: entry for name, entry in entries.items() if _is_sound(entry)}


def _is_sound(entry: ManifestEntry) -> bool:
    """Return whether this says what a file was made from, in the types that we write."""
    texts = isinstance(entry.recipe, str) and isinstance(entry.content, str)
    numbers = isinstance(entry.size, int) and isinstance(entry.mtime_ns, int)
    return texts and numbers and bool(entry.recipe)


def _snapshot(data: Mapping[str, Any]) -> Snapshot | None:
    try:
        return Snapshot.from_data(data["made_of"])
    except (TypeError, KeyError, AttributeError):
        return None
