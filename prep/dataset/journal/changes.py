"""The kinds of changes in an edit, and how one is made: compare first, then write atomically.

Each change has the state before and after, so that the same code applies
a change, reverts it (with before and after swapped) and finishes it after a crash. A file or row
in neither state is never written: the change is refused, with the reason. So is one that would
leave the project.
"""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from prep import captions
from prep.dataset.index import Index, ScannedCaption
from prep.dataset.writer import batches
from prep.errors import UnreadableError, UserError
from prep.images.crops import Box, to_text
from prep.project.boundary import ProjectBoundary
from prep.system.files import (
    FileChangedError,
    Fingerprint,
    fingerprint,
    sync_folders,
    write_bytes,
    write_text,
)
from prep.system.names import fits, is_there
from prep.texts import read_bytes

CAPTION = "caption"
EXCLUDED = "excluded"
CROPS = "crops"
MOVED = "moved"
CONTENT = "content"
ANSWERS = "answers"
DECISIONS = "decisions"

_PATH_TABLES = ("exclusions", "crops", "hand", "answers", "drafts", "crop_drafts", "decisions")
_PORTION = 512
"""Changes made together: the most that a crash leaves half done and recovery checks again."""
_THREADS = 8
"""Threads that write at the same time, so that the disk syncs several files at once. Measured on
ext4: 0.7 ms per file; 3.8 ms with one thread, and 0.8 with 32, which contend."""
_WORTH_THREADS = 4
_CAPTION_CHANGED = "the caption was changed by another program in the meantime"
_FILE_CHANGED = "the file was changed by another program in the meantime"


class Change(NamedTuple):
    """One change to one image or file.

    Attributes:
        path: Path of the image in the index; for ``moved`` and ``content`` any file of the
            project, relative to it.
        what: The kind, which determines the meaning of before and after:
            ``caption``: texts of the image's caption file, ``None`` for no file;
            ``excluded``: reasons, ``None`` for not excluded;
            ``crops``: crop rectangles in the text form of ``prep.images.crops``, ``None`` for none;
            ``answers``: answers about tags of the image, in the text form of
            ``prep.dataset.journal.tag_answers``, ``None`` for none;
            ``decisions``: what was decided in the review about the image, concept folder or whole
            dataset (``.``), in the text form of ``prep.dataset.journal.decisions``;
            ``moved``: paths of the file;
            ``content``: bytes of the file as Latin-1 text, which is lossless, ``None``
            for no file.
    """

    path: str
    what: str
    before: str | None
    after: str | None

    @property
    def reverse(self) -> "Change":
        """The change that reverts this one."""
        return Change(self.path, self.what, self.after, self.before)


def caption_change(path: str, before: str | None, tags: Sequence[str]) -> Change:
    """Return the change that gives an image's caption these tags, keeping its other lines.

    No file is created without tags, and a caption is never emptied to zero bytes: trainers refuse
    to start on an empty caption file.
    """
    if before is None:
        text = captions.SEPARATOR.join(tags)
        return Change(path, CAPTION, None, text or None)
    after = captions.with_tags(before, tags)
    return Change(path, CAPTION, before, after if after.strip() else None)


def exclusion(path: str, before: str | None, reason: str | None) -> Change:
    """Return the change that excludes an image (or includes it again, for ``None``)."""
    return Change(path, EXCLUDED, before, reason)


def move(before: str, after: str) -> Change:
    """Return the change that moves a file of the project; both paths are relative to it.

    The data of an image (exclusion, crops, manual edits) moves with it. Its sidecars and
    masks are separate files: move them in the same edit.
    """
    return Change(before, MOVED, before, after)


def content_change(path: str, before: bytes | None, after: bytes | None) -> Change:
    """Return the change that replaces the bytes of a small file, such as a broken caption."""
    texts = (None if data is None else data.decode("latin-1") for data in (before, after))
    return Change(path, CONTENT, *texts)


class ChangeApplier:
    """Applies changes, using an open index; ``finish`` updates the index.

    Consecutive changes of one kind are made together: files are written by several
    threads, since each waits for the disk, and tables in one transaction.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._root = index.project.root
        self._boundary = ProjectBoundary(index.project)
        self._written: list[ScannedCaption] = []
        self._folders: set[str] = set()
        self._kinds: dict[str, Callable[[Sequence[Change]], Iterable[str | UserError]]] = {
            CAPTION: self._captions,
            EXCLUDED: lambda part: self._put("exclusions", part),
            CROPS: lambda part: self._put("crops", part),
            ANSWERS: lambda part: self._put("answers", part),
            DECISIONS: lambda part: self._put("decisions", part),
            MOVED: self._moves,
            CONTENT: lambda part: map(self._content, part),
        }

    def make(self, changes: Sequence[Change]) -> Iterator[tuple[Change, str]]:
        """Make changes in order.

        Yields:
            Each change, with the reason why it could not be made, or an empty string.

        Raises:
            UserError: The disk is full, or a file is not writable. The changes yielded by then
                have been made, and no others.
        """
        for what, group in groupby(changes, lambda change: change.what):
            for part in batches(group, _PORTION):
                failed: UserError | None = None
                for change, fault in zip(part, self._kinds[what](part), strict=True):
                    if isinstance(fault, UserError):
                        failed = failed or fault
                    else:
                        yield change, fault
                if failed is not None:
                    raise failed

    def finish(self) -> None:
        """Update the index with what was written, once all of it is on disk."""
        sync_folders(self._folders)
        self._index.put_captions(self._written)

    def _captions(self, changes: Sequence[Change]) -> list[str | UserError]:
        def attempt(change: Change) -> str | UserError:
            try:
                return self._caption(change)
            except UserError as error:
                return error

        if len(changes) < _WORTH_THREADS:
            return [attempt(change) for change in changes]
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(attempt, changes))

    def _caption(self, change: Change) -> str:
        if fault := self._boundary.fault(change.path):
            return fault
        file = self._index.project.caption_file(change.path)
        try:
            present = _read(file)
        except UnreadableError as error:
            return error.message
        mark: Fingerprint | None = None
        if present == change.after:
            mark = fingerprint(file)
        elif present != change.before:
            return _CAPTION_CHANGED
        elif change.after is None:
            _remove(file)
        elif not fits(file.name):
            return f"the name of its caption would be too long ({file.suffix}): rename the image"
        else:
            try:
                mark = write_text(file, change.after, lambda: _read(file) == present)
            except FileChangedError:
                # An image of the same name shares the caption, and another thread was quicker.
                if _read(file) != change.after:
                    return _CAPTION_CHANGED
                mark = fingerprint(file)
        size, mtime = (mark.size, mark.mtime_ns) if mark else (None, None)
        self._written.append(ScannedCaption(change.path, change.after, size, mtime))
        self._folders.add(str(file.parent))
        return ""

    def _put(self, table: str, changes: Sequence[Change]) -> list[str]:
        connection = self._index.connection
        gone = [(c.path,) for c in changes if c.after is None]
        kept = [(c.path, c.after) for c in changes if c.after is not None]
        with connection:
            connection.executemany(f"DELETE FROM work.{table} WHERE path=?", gone)
            connection.executemany(f"INSERT OR REPLACE INTO work.{table} VALUES(?, ?)", kept)
        return [""] * len(changes)

    def _content(self, change: Change) -> str:
        if fault := self._boundary.fault(change.path):
            return fault
        file = self._root / change.path
        try:
            present = _read_bytes(file)
        except OSError as error:
            return f"the file cannot be read ({error.strerror})"
        if present == change.after:
            return ""
        if present != change.before:
            return _FILE_CHANGED
        if change.after is None:
            _remove(file)
        else:
            data = change.after.encode("latin-1")
            try:
                write_bytes(file, data, lambda: _read_bytes(file) == present)
            except FileChangedError:
                if _read_bytes(file) != change.after:
                    return _FILE_CHANGED
        self._folders.add(str(file.parent))
        return ""

    def _moves(self, changes: Sequence[Change]) -> list[str]:
        pairs = [(change.before or "", change.after or "") for change in changes]
        faults = [self._moved(*pair) for pair in pairs]
        self._follow([pair for pair, fault in zip(pairs, faults, strict=True) if not fault])
        return faults

    def _moved(self, before: str, after: str) -> str:
        if fault := self._boundary.fault(before) or self._boundary.fault(after):
            return fault
        source, target = self._root / before, self._root / after
        if source.is_dir():
            return "it is a folder"
        if not is_there(source):
            if not is_there(target):
                return "the file no longer exists"
        elif _taken(source, target):
            return f"{after} already exists"
        else:
            try:
                _rename(source, target)
            except OSError as error:
                return f"the file cannot be moved ({error.strerror or error})"
        self._folders |= {str(source.parent), str(target.parent)}
        return ""

    def _follow(self, moved: Sequence[tuple[str, str]]) -> None:
        """Move the data of images with them; images that leave the dataset leave the index."""
        project, connection = self._index.project, self._index.connection
        with connection:
            for table in _PATH_TABLES:
                connection.executemany(
                    f"UPDATE OR REPLACE work.{table} SET path=? WHERE path=?",
                    ((after, before) for before, after in moved),
                )
        for before, after in moved:
            inside = (self._root / after).is_relative_to(project.dataset)
            if not inside or after.startswith("."):
                self._index.remove([before])
            elif self._index.get(before) is not None:
                self._index.rename(before, after, project.concept_folder(after))


def _read(file: Path) -> str | None:
    """Return the text of a caption file; like ``captions.read``, with fewer system calls."""
    try:
        return read_bytes(file, captions.LARGEST).decode()
    except (OSError, UnicodeDecodeError):
        return captions.read(file)


def _read_bytes(file: Path) -> str | None:
    """Return the bytes of a file as in a change; ``None`` for no file."""
    try:
        return read_bytes(file).decode("latin-1")
    except FileNotFoundError:
        return None


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(
            f"{file} cannot be removed: {error.strerror}.", "Check the permissions of its folder."
        ) from error


def _taken(source: Path, target: Path) -> bool:
    """Return whether another file is at ``target`` (a name in other case may be the same)."""
    if not is_there(target):
        return False
    return source.is_symlink() or target.is_symlink() or not target.samefile(source)


def _rename(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() and source.parent != target.parent:
        _move_link(source, target)
        return
    try:
        # Unlike a rename, a link never replaces a file that another program has just put there.
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        if source.is_symlink() or target.is_symlink() or not target.samefile(source):
            raise
        os.rename(source, target)  # noqa: PTH104  (only the case differs)
        if {source.name, target.name} <= set(os.listdir(target.parent)):  # noqa: PTH208
            source.unlink()  # they were two names of one file, which a rename leaves
    except OSError:  # no links here, or another file system
        _replaced(source, target)
    else:
        source.unlink()


def _replaced(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)  # noqa: PTH104
    except OSError:  # another file system
        shutil.move(source, target)


def _move_link(source: Path, target: Path) -> None:
    """Move a symbolic link so that it still leads to the same file."""
    leads = os.readlink(source)  # noqa: PTH115  (as written, not normalised)
    if not os.path.isabs(leads):  # noqa: PTH117
        leads = os.path.relpath(source.parent / leads, target.parent)
    target.symlink_to(leads)
    source.unlink()


def crop_change(path: str, before: Sequence[Box], after: Sequence[Box]) -> Change:
    """Return the change that replaces the crops of an image."""
    return Change(path, CROPS, to_text(before), to_text(after))
