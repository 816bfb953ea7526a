"""Names of files and folders: natural order, litter of other systems, and their length in bytes."""

import hashlib
import os
import re
import unicodedata
from collections.abc import Container
from pathlib import Path

from prep.errors import ConfigError, reason_of
from prep.texts import composed

MAX_BYTES = 255
"""Bytes of one name that file systems allow; NTFS counts UTF-16 units, which are never more."""
_SHOWN = 100
"""Letters of a path that nothing can have, which a message shows."""

# fmt: off
_LITTER_FOLDERS = frozenset({
    "@eadir", "#recycle", "#snapshot", "@tmp",  # Synology; see _LITTER_FOLDER, too
    "@recycle", "@recently-snapshot", "@__thumb",  # QNAP
    "~snapshot", "trashbox", "recycle bin",  # NetApp, Buffalo, ReadyNAS
    "$recycle.bin", "recycler", "recycled", "system volume information", "$windows.~bt",  # Windows
    "__macosx", "temporary items", "network trash folder", "thevolumesettingsfolder",  # macOS
    "lost+found", "lost.dir", "_gsdata_",  # Linux, Android, GoodSync
})
_LITTER_FILES = frozenset({
    "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r", "zbthumbnail.info",
})
# fmt: on
_LITTER_FOLDER = re.compile(
    r"found\.\d{3}"  # Windows, what it found on a damaged disk
    # Synology. Not every name with an @: people name folders after artists.
    r"|@(syno\w*|share(bin|snap|sync)\w*|app(store|data|conf|home|share|temp)|img_bkp_cache|cloudsync)"
)
_LITTER_FILE = re.compile(
    r".*@syno(eastream|resource)|~\$.*"
    r"|synophoto_thumb_\w+\.jpe?g|albumart(small|_\{.*\}_(small|large))\.jpg"
)
_DIGITS = re.compile(r"0*([0-9]+)")
_HASH = 8


def is_litter_folder(name: str) -> bool:
    """Return whether a system, a NAS or a sync program made this folder: thumbnails, bins, copies.

    Hidden folders (``.AppleDouble``, ``.Trash-1000``, ``.ipynb_checkpoints``) count as well.

    Example:
        >>> [is_litter_folder(name) for name in ("@eaDir", "$RECYCLE.BIN", "10_mochi")]
        [True, True, False]
    """
    lower = name.lower()
    return (
        lower.startswith(".")
        or lower in _LITTER_FOLDERS
        or _LITTER_FOLDER.fullmatch(lower) is not None
    )


def is_litter_file(name: str) -> bool:
    """Return whether a system wrote this file beside those of the user, or it is hidden.

    Example:
        >>> [is_litter_file(name) for name in ("Thumbs.db", "._a.png", "a.png")]
        [True, True, False]
    """
    lower = name.lower()
    return (
        lower.startswith(".") or lower in _LITTER_FILES or _LITTER_FILE.fullmatch(lower) is not None
    )


def is_litter_path(path: str) -> bool:
    """Return whether a relative path with slashes leads into or to litter."""
    *folders, name = path.split("/")
    return any(map(is_litter_folder, folders)) or is_litter_file(name)


def natural(path: str) -> str:
    """Return a text by which paths with slashes sort as people count: 1, 2, 10.

    Each number is preceded by a character for its length, and a folder sorts before names that
    continue its own. Paths that differ only in leading zeros have the same text.
    """
    return _DIGITS.sub(_counted, path.replace("/", "\1"))


def natural_key(path: str) -> tuple[str, str]:
    """Return a sort key for ``natural`` order in which no two paths are equal.

    Example:
        >>> sorted(["10.png", "9.png", "010.png", "a/1.png", "a-1.png"], key=natural_key)
        ['9.png', '010.png', '10.png', 'a/1.png', 'a-1.png']
    """
    return natural(path), path


def _counted(match: re.Match[str]) -> str:
    return f"0{chr(len(match[1]))}{match[1]}"


def fits(name: str) -> bool:
    """Return whether a file system allows a name of this length."""
    return len(os.fsencode(name)) <= MAX_BYTES


def shortened(stem: str, room: int) -> str:
    """Return a stem that leaves ``room`` bytes of a name; a shortened one ends in a hash of it.

    The same stem always gives the same result, and different ones give different results.

    Args:
        stem: A name without its suffix.
        room: Bytes for what will be appended.

    Example:
        >>> shortened("a" * 240, 20)[-12:], shortened("short", 20)
        ('aaa-9b304390', 'short')
    """
    data = os.fsencode(stem)
    if len(data) <= MAX_BYTES - room:
        return stem
    mark = hashlib.sha256(data).hexdigest()[:_HASH]
    kept = data[: MAX_BYTES - room - _HASH - 1].decode("utf-8", "ignore").rstrip(" .")
    return f"{kept}-{mark}"


def shortened_name(name: str) -> str:
    """Return a file name with its stem shortened so that it fits; its suffix stays."""
    if fits(name):
        return name
    path = Path(name)
    return shortened(path.stem, len(os.fsencode(path.suffix))) + path.suffix


def numbered(name: str, number: int, mark: str = "-") -> str:
    """Return a name with a number behind its stem: a-2.png.

    Example:
        >>> numbered("a.png", 2)
        'a-2.png'
    """
    path, end = Path(name), f"{mark}{number}"
    return shortened(path.stem, len(os.fsencode(path.suffix)) + len(end)) + end + path.suffix


def same_name(name: str) -> str:
    """Return a key that is equal for names that differ only in how accents are encoded.

    macOS writes an accent as a letter of its own (NFD), other systems as part of the letter (NFC).
    """
    return composed(name)


def spellings(name: str) -> tuple[str, ...]:
    """Return the name, then what it is called where its accents are encoded in the other ways."""
    if name.isascii():
        return (name,)
    forms = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    return tuple(dict.fromkeys((name, *forms)))


def known_as(name: str, known: Container[str]) -> str | None:
    """Return how a name is spelled among known ones, preferably as it is; ``None`` if it is not."""
    return next((spelling for spelling in spellings(name) if spelling in known), None)


def disk_key(name: str) -> str:
    """Return a key that is equal for names which are the same on some disks.

    Windows and macOS ignore case, and macOS how accents are encoded.
    """
    return same_name(name).casefold()


def existing(path: Path) -> Path:
    """Return the file at ``path``, or the one whose name differs only in how accents are encoded.

    Returns:
        The path itself if there is neither.
    """
    return next(filter(is_there, map(path.with_name, spellings(path.name))), path)


def is_file(path: Path) -> bool:
    """Return whether there is a file at ``path``; a name that is too long is none."""
    return os.path.isfile(path)  # noqa: PTH113  (Path.is_file raises for names that are too long)


def is_there(path: Path) -> bool:
    """Return whether there is a file, folder or link at ``path``; a name too long is not."""
    return os.path.lexists(path)


def with_home(path: str | Path) -> Path:
    """Return a path that a person has written, with ``~`` as the home folder it stands for.

    Raises:
        ConfigError: Nothing has such a path: ``~`` and the name of nobody, a NUL character, more
            letters than a name may have, links that lead in a circle. Or one may not look there.
    """
    try:
        place = Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"There is no home folder for {path}.", "Write its path out.") from error
    if "\0" in str(place):
        raise ConfigError("A path holds a NUL character.", "Write the path again.")
    try:
        place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return place  # perhaps it is to be made
    except OSError as error:
        text = str(path)
        text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise ConfigError(
            f"{text} cannot be opened: {reason_of(error)}.", "Check the spelling of the path."
        ) from error
    return place
