"""What an edit can change, and how one change is made: compare first, then write atomically.

Each kind knows what it expects to find and what it leaves behind, so that the same code applies
a change, takes it back (with before and after exchanged) and finishes it after a crash. A place
that holds neither of the two is never written: the change is refused, with the reason.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep import captions
from prep.errors import UnreadableError
from prep.files import fingerprint, write_bytes, write_text
from prep.index import FoundCaption, Index

CAPTION = "caption"
EXCLUDED = "excluded"
CROPS = "crops"
MOVED = "moved"
CONTENT = "content"

_PATH_TABLES = ("exclusions", "crops", "hand")


@dataclass(frozen=True)
class Change:
    """One change to one image or file.

    Attributes:
        path: The image, as the index names it; for ``moved`` and ``content`` any file of the
            project, relative to it.
        what: The kind, which says what before and after are:
            ``caption``: texts of the image's caption file, ``None`` for no file;
            ``excluded``: reasons, ``None`` for not excluded;
            ``crops``: crop rectangles as ``prep.crops`` writes them, ``None`` for none;
            ``moved``: paths of the file;
            ``content``: bytes of the file as Latin-1 text, which every byte survives, ``None``
            for no file.
    """

    path: str
    what: str
    before: str | None
    after: str | None

    @property
    def reverse(self) -> "Change":
        """The change that takes this one back."""
        return Change(self.path, self.what, self.after, self.before)


def caption_change(path: str, before: str | None, tags: Sequence[str]) -> Change:
    """Return the change that gives an image's caption these tags, keeping its other lines.

    No file is made for no tags, and a caption is never emptied to zero bytes: trainers refuse
    to start on an empty caption file.
    """
    if before is None:
        text = captions.SEPARATOR.join(tags)
        return Change(path, CAPTION, None, text or None)
    after = captions.with_tags(before, tags)
    return Change(path, CAPTION, before, after if after.strip() else None)


def exclusion(path: str, before: str | None, reason: str | None) -> Change:
    """Return the change that leaves an image out (or takes it in again, for ``None``)."""
    return Change(path, EXCLUDED, before, reason)


def move(before: str, after: str) -> Change:
    """Return the change that moves a file of the project; both paths are relative to it.

    What is known of an image (exclusion, crops, hand decisions) moves with it. Its sidecars and
    masks are files of their own: move them in the same edit.
    """
    return Change(before, MOVED, before, after)


def content_change(path: str, before: bytes | None, after: bytes | None) -> Change:
    """Return the change that replaces the bytes of a small file, such as a broken caption."""
    texts = (None if data is None else data.decode("latin-1") for data in (before, after))
    return Change(path, CONTENT, *texts)


class Workbench:
    """Makes changes, over an open index; ``finish`` brings the index up to date."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._root = index.project.root
        self._written: list[FoundCaption] = []
        self._kinds: dict[str, Callable[[Change], str]] = {
            CAPTION: self._caption,
            EXCLUDED: self._excluded,
            CROPS: self._crops,
            MOVED: self._moved,
            CONTENT: self._content,
        }

    def make(self, change: Change) -> str:
        """Make one change; return why it could not be made, or an empty text.

        Raises:
            UserError: The disk is full, or a file may not be written.
        """
        return self._kinds[change.what](change)

    def finish(self) -> None:
        """Note in the index what was written."""
        self._index.put_captions(self._written)
        self._written.clear()

    def _caption(self, change: Change) -> str:
        file = self._index.project.caption_file(change.path)
        try:
            present = captions.read(file)
        except UnreadableError as error:
            return error.message
        if present != change.after:
            if present != change.before:
                return "the caption was changed elsewhere in the meantime"
            if change.after is None:
                file.unlink(missing_ok=True)
            else:
                write_text(file, change.after)
        mark = fingerprint(file)
        size, mtime = (mark.size, mark.mtime_ns) if mark else (None, None)
        self._written.append(FoundCaption(change.path, change.after, size, mtime))
        return ""

    def _excluded(self, change: Change) -> str:
        return self._put("exclusions", change.path, change.after)

    def _crops(self, change: Change) -> str:
        return self._put("crops", change.path, change.after)

    def _put(self, table: str, path: str, value: str | None) -> str:
        connection = self._index.connection
        with connection:
            if value is None:
                connection.execute(f"DELETE FROM work.{table} WHERE path=?", (path,))
            else:
                connection.execute(
                    f"INSERT OR REPLACE INTO work.{table} VALUES(?, ?)", (path, value)
                )
        return ""

    def _content(self, change: Change) -> str:
        file = self._root / change.path
        present = file.read_bytes().decode("latin-1") if file.exists() else None
        if present == change.after:
            return ""
        if present != change.before:
            return "the file was changed elsewhere in the meantime"
        if change.after is None:
            file.unlink(missing_ok=True)
        else:
            write_bytes(file, change.after.encode("latin-1"))
        return ""

    def _moved(self, change: Change) -> str:
        source, target = self._root / (change.before or ""), self._root / (change.after or "")
        if not source.exists():
            if not target.exists():
                return "the file is gone"
        elif _taken(source, target):
            return f"there is a {change.after} already"
        else:
            _rename(source, target)
        self._follow(change.before or "", change.after or "")
        return ""

    def _follow(self, before: str, after: str) -> None:
        """Let what is known of an image follow it; outside the dataset it leaves the index."""
        project, connection = self._index.project, self._index.connection
        with connection:
            for table in _PATH_TABLES:
                connection.execute(
                    f"UPDATE OR REPLACE work.{table} SET path=? WHERE path=?", (after, before)
                )
        if not (self._root / after).is_relative_to(project.dataset) or after.startswith("."):
            self._index.remove([before])
        elif self._index.get(before) is not None:
            self._index.rename(before, after, project.concept_folder(after))


def _taken(source: Path, target: Path) -> bool:
    """Is another file at ``target``? One that differs only in case may be the same file."""
    return target.exists() and not target.samefile(source)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(source, target)  # noqa: PTH104  (also where only the case differs)
    except OSError:  # another file system
        shutil.move(source, target)
