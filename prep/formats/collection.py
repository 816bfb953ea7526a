"""The result of a reader: pictures with their captions and masks, by concept."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from prep import captions
from prep.project import parse_folder
from prep.system.files import content_hash, text_hash
from prep.system.names import disk_key, shortened
from prep.texts import read_bytes


@dataclass(frozen=True)
class SourceCaption:
    """A caption: a separate file, or a text in a metadata file.

    Attributes:
        file: Copied byte for byte if given.
        text: Used if there is no file.
    """

    file: Path | None = None
    text: str = ""

    def data(self) -> bytes:
        """Return the content of the new caption file.

        Raises:
            OSError: The file is missing or not readable.
        """
        return self.text.encode("utf-8") if self.file is None else read_bytes(self.file)

    @property
    def identity(self) -> str:
        """A key that is equal for pictures sharing one caption file (``a.png`` and ``a.jpg``)."""
        return str(self.file) if self.file else f"text {text_hash(self.text)}"


@dataclass(frozen=True)
class SourceImage:
    """One image to import.

    Attributes:
        file: Its absolute path.
        concept: Target folder below the dataset folder.
        name: Its path in that folder, with slashes.
        caption: ``None`` if it has none.
        others: Other sidecars, by the part of the name behind the stem, such as ``-masklabel.png``.
    """

    file: Path
    concept: str
    name: str
    caption: SourceCaption | None = None
    others: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class SourceConcept:
    """Settings of a folder in the source; ``repeats`` is ``None`` if not given."""

    repeats: int | None = None
    trigger: str = ""
    regularization: bool = False

    def settings(self, folder: str) -> dict[str, Any]:
        """Return the table for ``shikomi.toml``, without settings already in the folder's name."""
        number, _ = parse_folder(folder)
        table: dict[str, Any] = {}
        if self.trigger:
            table["trigger"] = self.trigger
        if self.repeats is not None and self.repeats != (number or 1):
            table["repeats"] = self.repeats
        if self.regularization:
            table["regularization"] = True
        return table


@dataclass
class Collection:
    """All images, concepts and settings found in a source.

    Attributes:
        format: The kind of source, for display.
        concepts: By folder.
        skipped: (path, reason) of files that cannot be imported.
        notes: (message, hint) of warnings.
        settings: Tables of ``shikomi.toml`` that a new project adopts.
    """

    format: str
    pictures: list[SourceImage] = field(default_factory=list)
    concepts: dict[str, SourceConcept] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def under(self, concept: str) -> "Collection":
        """Return it with all pictures in one concept; former concepts become subfolders."""
        former = {picture.concept for picture in self.pictures}
        several = len(former) > 1
        pictures = [
            replace(
                picture,
                concept=concept,
                name=f"{picture.concept}/{picture.name}" if several else picture.name,
            )
            for picture in self.pictures
        ]
        known = [self.concepts[name] for name in sorted(former) if name in self.concepts]
        concepts = {concept: known[0]} if len(known) == 1 else {concept: SourceConcept()}
        return replace(self, pictures=pictures, concepts=concepts)


def free_folder(name: str, taken: set[str]) -> str:
    """Return a folder name not in ``taken`` (mochi, mochi-2, …), and add it there.

    Example:
        >>> free_folder("10_mochi", {"10_mochi"})
        '10_mochi-2'
    """
    base = safe_folder(name)
    choice, number = base, 1
    while disk_key(choice) in taken:
        number += 1
        choice = f"{base}-{number}"
    taken.add(disk_key(choice))
    return choice


_ROOM = 24
"""Bytes that the name of a folder leaves, for a number, or the rest of a file's name."""


def safe_folder(name: str) -> str:
    """Return ``name`` as the name of one visible folder.

    Example:
        >>> safe_folder("a/b"), safe_folder(".."), safe_folder("10_mochi")
        ('a-b', 'images', '10_mochi')
    """
    text = "".join("-" if sign in "/\\" or ord(sign) < 32 else sign for sign in name)
    return shortened(text.strip().lstrip(".").strip() or "images", _ROOM)


def leading_tag(texts: list[str]) -> str:
    """Return the first tag if all captions start with the same one, else an empty string."""
    first = {tags[0] if (tags := captions.split(text)) else "" for text in texts}
    return first.pop() if len(first) == 1 else ""


def same_content(one: Path, other: Path) -> bool:
    """Return whether two files have the same content; cheap if their sizes differ."""
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        return one.samefile(other) or content_hash(one) == content_hash(other)
    except OSError:
        return False


def without_split(names: list[str]) -> list[str]:
    """Drop the folder of a split or of all images if every name is below the same one."""
    parts = [PurePosixPath(name).parts for name in names]
    first = {part[0] if len(part) > 1 else "" for part in parts}
    if len(first) == 1 and first <= {"train", "images", "data", "img"}:
        return ["/".join(part[1:]) for part in parts]
    return names
