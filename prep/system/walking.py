"""Walk over a folder of images: every picture once, without litter, hidden files and loops."""

import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from prep.errors import UserError
from prep.system.leftovers import PREFIX
from prep.system.names import is_litter_file, is_litter_folder, is_litter_path, natural_key

_THUMBNAILS = frozenset({"thumb", "thumbs", "_thumbs", "thumbnail", "thumbnails"})
_SMALL = (".jpg", ".jpeg", ".png", ".webp", ".gif")
_AFFIX = re.compile(r"^(thumb|tn)[_-]|[_-](thumb|tn|thumbnail)$", re.IGNORECASE)
"""What programs add to the name of a picture for that of its small version."""

REPEATED = "a link to a picture that is taken already"
"""Why a file in ``Folder.repeated`` is left out."""


@dataclass(frozen=True)
class Folder:
    """The files of one folder, by name.

    Attributes:
        path: Spelled as the root that was walked.
        names: Regular files and links to them, in natural order, without hidden ones and litter.
        faults: (name, reason) of entries that are not files, and ``("", reason)`` if the folder
            itself cannot be read.
        hidden: Hidden regular files.
        links: Those of ``names`` that are symbolic links.
        unfinished: Names of what shikomi was, or is, writing; see ``prep.system.leftovers``.
        repeated: Those of ``names`` that lead to a file that another name leads to, with the
            absolute path of that file if it is known, else an empty string.
    """

    path: str
    names: list[str]
    faults: list[tuple[str, str]] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    repeated: dict[str, str] = field(default_factory=dict)


def walk_folders(
    root: Path,
    once: Callable[[str], bool] | None = None,
    *,
    without: Collection[Path] = (),
    deep: bool = True,
) -> Iterator[Folder]:
    """Yield ``root`` and the folders below it, parents first, in natural order.

    Folders of litter (``is_litter_folder``) are passed over, and such with a name like ``Thumbs``
    that hold only pictures with the names of those beside them. Each folder is visited once, at its
    own place if it has one below ``root``; links to folders that contain ``root`` are not followed.
    Only names are kept, so that a folder of a million files takes about 100 MB, not 700.

    Args:
        root: The folder; its own name may be anything.
        once: Tests names. Files with such names are found once: all further links to them, hard
            or symbolic, are in ``repeated``. A file below ``root`` is preferred to links to it.
        without: Folders to leave out.
        deep: Visit the folders below ``root``, too.

    Raises:
        UserError: ``root`` is missing, not a folder, or not readable.
    """
    walked = _Walk(root, once, frozenset(map(str, without)), deep=deep)
    stack = [str(root)]
    while stack:
        path = stack.pop()
        folder, below = Folder(path, []), list[str]()
        try:
            if not walked.enter(path):
                continue
            with os.scandir(path) as scan:
                entries = sorted(scan, key=lambda entry: natural_key(entry.name))
        except OSError as error:
            if path == str(root):
                raise _reading_failed(root, error) from error
            folder.faults.append(("", f"the folder cannot be read: {error.strerror or error}"))
            entries = []
        for entry in entries:
            walked.sort_in(entry, folder, below)
        entries = []  # they would take more memory than all else while the folder is looked at
        below = [path for path in below if not _holds_thumbnails(path, folder)]
        yield folder
        stack.extend(reversed(below) if deep else ())


def _holds_thumbnails(path: str, parent: Folder) -> bool:
    """Return whether a program put small versions of the parent's pictures into a folder."""
    if os.path.basename(path).lower() not in _THUMBNAILS:  # noqa: PTH119
        return False
    own = {_stem(name) for name in parent.names}
    try:
        found = [name for name in os.listdir(path) if not is_litter_file(name)]  # noqa: PTH208
    except OSError:
        return False
    return bool(found) and all(
        # With captions, it is somebody's own.
        name.lower().endswith(_SMALL) and {_stem(name), _AFFIX.sub("", _stem(name))} & own
        for name in found
    )


def _stem(name: str) -> str:
    return os.path.splitext(name)[0].lower()  # noqa: PTH122


class _Walk:
    """What a walk remembers: the folders and files it has seen."""

    def __init__(
        self,
        root: Path,
        once: Callable[[str], bool] | None,
        without: frozenset[str] = frozenset(),
        *,
        deep: bool = True,
    ) -> None:
        self._once, self._without, self._deep = once, without, deep
        self._real_root = os.path.realpath(root)
        self._real_without = [f"{os.path.realpath(path)}{os.sep}" for path in without]
        self._folders: set[tuple[int, int]] = set()
        self._files: set[int] = set()
        self._linked: set[int] = set()
        self._device = 0

    def enter(self, path: str) -> bool:
        """Return whether a folder is to be listed: it is when it is seen for the first time."""
        stat = os.stat(path)  # noqa: PTH116  (plain strings: a Path for each costs more)
        if path in self._without or (stat.st_dev, stat.st_ino) in self._folders:
            return False
        self._folders.add((stat.st_dev, stat.st_ino))
        self._device = stat.st_dev
        return True

    def sort_in(self, entry: os.DirEntry[str], folder: Folder, below: list[str]) -> None:
        name = entry.name
        if name.startswith(PREFIX):
            folder.unfinished.append(name)
            return
        try:
            if entry.is_file():
                self._file(entry, folder)
            elif is_litter_folder(name):
                return
            elif entry.is_dir():
                if not entry.is_symlink() or self._leads_outside(entry.path):
                    below.append(entry.path)
            elif entry.is_symlink():
                folder.faults.append((name, "a broken link"))
            else:
                folder.faults.append((name, "not a regular file"))
        except OSError as error:  # a link to itself
            folder.faults.append((name, f"a broken link ({error.strerror})"))

    def _file(self, entry: os.DirEntry[str], folder: Folder) -> None:
        name = entry.name
        if name.startswith("."):
            folder.hidden.append(name)
            return
        if is_litter_file(name):
            return
        folder.names.append(name)
        linked = entry.is_symlink()
        if linked:
            folder.links.add(name)
        if self._once is not None and self._once(name):
            target = self._repeats(entry, linked=linked)
            if target is not None:
                folder.repeated[name] = target

    def _repeats(self, entry: os.DirEntry[str], *, linked: bool) -> str | None:
        """Return the file that this is another name of; empty if unknown, ``None`` if of none."""
        if linked:
            real = os.path.realpath(entry.path)
            if self._is_walked(real):
                return real
            stat = entry.stat()
            key, certain = self._key(stat.st_dev, stat.st_ino), True
            self._linked.add(key)
        else:
            # Free, unlike a stat; some network file systems give all entries the same number.
            key = self._key(self._device, entry.inode())
            certain = key in self._linked
        if key not in self._files:
            self._files.add(key)
            return None
        if not certain:
            stat = entry.stat()
            certain = stat.st_nlink > 1 and stat.st_ino == entry.inode()
        return "" if certain else None

    @staticmethod
    def _key(device: int, inode: int) -> int:
        """Return one number for a file: a set of them takes half the memory of one of pairs."""
        return device << 64 | inode

    def _is_walked(self, real: str) -> bool:
        """Return whether the walk finds this file at its own place."""
        inside = _inside(real, self._real_root)
        return (
            inside is not None
            and (self._deep or "/" not in inside)
            and not is_litter_path(inside)
            and (self._once is None or self._once(inside.rpartition("/")[2]))
            and not real.startswith(tuple(self._real_without))
        )

    def _leads_outside(self, link: str) -> bool:
        """Return whether a link to a folder leads to pictures that are not found without it."""
        real = os.path.realpath(link)
        if _inside(self._real_root, real) is not None:
            return False  # a loop: it contains the root
        inside = _inside(real, self._real_root)
        return inside is None or any(map(is_litter_folder, inside.split("/")))


def _inside(path: str, folder: str) -> str | None:
    """Return a path relative to a folder, with slashes; ``None`` if it is not inside."""
    if path == folder:
        return ""
    start = folder if folder.endswith(os.sep) else folder + os.sep
    return path.removeprefix(start).replace(os.sep, "/") if path.startswith(start) else None


def files_below(root: Path, wanted: Callable[[str], bool]) -> Iterator[Path]:
    """Yield the files below ``root`` whose names are wanted, each once; see ``walk_folders``.

    Raises:
        UserError: ``root`` is missing, not a folder, or not readable.
    """
    for folder in walk_folders(root, wanted):
        for name in folder.names:
            if wanted(name) and name not in folder.repeated:
                yield Path(folder.path, name)


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
