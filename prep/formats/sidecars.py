"""Pictures in a folder, each with the captions and masks beside it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prep.formats.collection import SourceCaption, SourceImage
from prep.images import MASK_SUFFIXES, is_image_name
from prep.system.names import disk_key
from prep.system.walking import REPEATED, walk_folders

CAPTION_SUFFIXES = (".txt", ".caption")
# fmt: off
QUIET = frozenset({
    ".npz", ".toml", ".json", ".jsonl", ".csv", ".parquet", ".yaml", ".yml", ".safetensors", ".sh",
    ".md", ".log", ".db", ".ini",
})
# fmt: on
"""Caches, settings and notes, which are skipped silently."""


@dataclass
class FolderFiles:
    """Files of one folder: pictures, and (path, reason) of skipped files."""

    pictures: list[SourceImage] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)


def below(folder: Path, concept: str, extension: str = "", *, deep: bool = True) -> FolderFiles:
    """Return the pictures below ``folder``, in natural order.

    Args:
        folder: The folder to search.
        concept: The concept that they belong to.
        extension: Suffix of caption files; if empty, ``.txt`` is preferred to ``.caption``.
        deep: Also search subfolders.

    Raises:
        UserError: The folder is missing or not readable.
    """
    found = FolderFiles()
    for each in walk_folders(folder, is_image_name, deep=deep):
        place = Path(each.path)
        names = [name for name in each.names if name not in each.repeated]
        _pair(found, folder, place, names, concept, extension)
        found.skipped += [(str(place / name), REPEATED) for name in each.repeated]
    return found


def _pair(
    found: FolderFiles, root: Path, place: Path, names: list[str], concept: str, extension: str
) -> None:
    """Sort the files of one folder into pictures, their sidecars, and the rest."""
    exact = set(names)
    folded = {disk_key(name): name for name in names}
    used: set[str] = set()
    for name in names:
        if not is_image_name(name):
            continue
        stem = name[: name.rfind(".")]
        near = {
            suffix: match
            for suffix in (*CAPTION_SUFFIXES, extension, *MASK_SUFFIXES)
            if suffix and (match := _match(stem + suffix, exact, folded))
        }
        used |= {name, *near.values()}
        files = {suffix: place / match for suffix, match in near.items()}
        caption, others = _caption(files, extension)
        inside = (place / name).relative_to(root).as_posix()
        found.pictures.append(SourceImage(place / name, concept, inside, caption, others))
    for name in names:
        if name not in used and (reason := _why_not(name)):
            found.skipped.append((str(place / name), reason))


def _match(wanted: str, exact: set[str], folded: Mapping[str, str]) -> str | None:
    """Find a file by its name, else one that differs only in case or the encoding of accents."""
    return wanted if wanted in exact else folded.get(disk_key(wanted))


def _caption(
    files: dict[str, Path], extension: str
) -> tuple[SourceCaption | None, dict[str, Path]]:
    """Choose the caption; a second one in another file is copied unread."""
    order: Iterable[str] = (extension,) if extension else CAPTION_SUFFIXES
    chosen = next((suffix for suffix in order if suffix in files), None)
    others = {suffix: file for suffix, file in files.items() if suffix != chosen}
    return (SourceCaption(files[chosen]) if chosen else None), others


def _why_not(name: str) -> str:
    lower = name.lower()
    suffix = lower[lower.rfind(".") :] if "." in lower else ""
    if lower.endswith(MASK_SUFFIXES):
        return "a mask without its image"
    if suffix in CAPTION_SUFFIXES:
        return "a caption without its image"
    if suffix in QUIET:
        return ""
    return "not an image"
