"""The input of the rules: the index, and the names in each folder, listed once.

Sizes, times, headers and caption texts come from the index, which the scan has just
updated; rules open only files with a possible problem.
"""

import errno
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from prep import captions
from prep.dataset.index import ImageRow, Index
from prep.dataset.journal.changes import Change, move
from prep.dataset.journal.sidecars import Trash
from prep.images import MASK_SUFFIXES, is_image_name
from prep.project import Concept, Project
from prep.system.walking import walk_folders
from prep.texts import read_bytes
from prep.training_set.trainers import Trainer

ALIASES = {".jfif": ".jpg", ".jpe": ".jpg", ".jif": ".jpg"}
"""Suffixes of ordinary JPEG files that trainers do not know."""
CAPTION_ENDINGS = (".txt", ".caption")
_OWN_FOLDERS = ("model", "output")


class CheckedImage(NamedTuple):
    """An image to train on; ``row`` is ``None`` if it is not indexed because of its name."""

    path: str
    name: str
    stem: str
    suffix: str
    row: ImageRow | None


@dataclass
class CheckedFolder:
    """One folder below the dataset folder.

    Attributes:
        path: Relative to the project.
        concept: Concept of its images.
        depth: Folders between it and the dataset folder; 0 is the dataset folder itself.
        names: Its files, in natural order; hidden ones are in ``hidden``.
        links: Those of its files that are symbolic links.
        pictures: Its readable images that are not excluded, in name order.
        unreadable: Its unreadable images that are not excluded.
        excluded: Its excluded images.
    """

    path: str
    concept: Concept
    depth: int
    names: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    pictures: list[CheckedImage] = field(default_factory=list)
    unreadable: list[ImageRow] = field(default_factory=list)
    excluded: list[ImageRow] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The folder's own name."""
        return self.path.rpartition("/")[2]

    @cached_property
    def all_names(self) -> frozenset[str]:
        """The names, for lookup."""
        return frozenset(self.names)

    @cached_property
    def stems(self) -> dict[str, list[CheckedImage]]:
        """The pictures by stem; those with the same stem share a caption file."""
        found: dict[str, list[CheckedImage]] = {}
        for picture in self.pictures:
            found.setdefault(picture.stem, []).append(picture)
        return found

    @cached_property
    def parts(self) -> list[tuple[str, str, str]]:
        """The names with their stem and suffix, as written."""
        found = ((name, *_split(name)) for name in self.names)
        # There are as many suffixes as names; each of them is kept once.
        return [(name, stem, sys.intern(suffix)) for name, stem, suffix in found]

    @cached_property
    def image_stems(self) -> frozenset[str]:
        """Stems of all image files, including excluded and unreadable ones."""
        return frozenset(
            stem
            for name, stem, suffix in self.parts
            if is_image_name(name) or suffix.lower() in ALIASES
        )

    def file(self, name: str) -> str:
        """Return the path of a file of the folder, relative to the project."""
        return f"{self.path}/{name}" if self.path != "." else name


class DatasetView:
    """A dataset as one trainer reads it."""

    def __init__(
        self, index: Index, trainer: Trainer, *, wildcards: bool = False, encoding: str = ""
    ) -> None:
        """List the folders and sort the images into them.

        Args:
            index: Up to date, as after a scan.
            trainer: The trainer whose rules are applied.
            wildcards: The trainer expands ``{a|b}`` and draws lines of captions.
            encoding: Encoding of captions that are not UTF-8; guessed if empty.
        """
        self.index, self.project, self.trainer = index, index.project, trainer
        self.encoding = encoding
        self.dataset = self.project.relative(self.project.dataset)
        self.draws_lines = trainer == "onetrainer" or (trainer == "sd-scripts" and wildcards)
        self.expands = trainer == "sd-scripts" and wildcards
        section = self.project.settings.captions
        # OneTrainer supports only one suffix.
        self.extension: str = ".txt" if trainer == "onetrainer" else section.extension
        self.indexed_captions = self.extension == section.extension
        self._trash = Trash(self.project)
        self._asked: dict[str, bool] = {}
        self.beside: dict[tuple[str, str], set[str]] = {}
        self.rows = index.select()
        by_path = {row.path: row for row in self.rows}
        self.places = [_sorted(place, by_path) for place in _listed(self.project)]

    def pictures(self) -> Iterator[tuple[CheckedFolder, CheckedImage, ImageRow]]:
        """Yield the indexed pictures with their folders."""
        for place in self.places:
            for picture in place.pictures:
                if picture.row is not None:
                    yield place, picture, picture.row

    def concepts(self) -> dict[str, list[CheckedFolder]]:
        """Return the folders with pictures by the concept they belong to."""
        found: dict[str, list[CheckedFolder]] = {}
        for place in self.places:
            if place.pictures:
                found.setdefault(place.concept.folder, []).append(place)
        return found

    def concept_path(self, folder: str) -> str:
        """Return the path of a concept, relative to the project."""
        if "." in (folder, self.dataset):
            return self.dataset if folder == "." else folder
        return f"{self.dataset}/{folder}"

    def caption_bytes(self, path: str) -> bytes | None:
        """Return the bytes of a file, ``None`` if it cannot be read."""
        try:
            return read_bytes(self.project.root / path, captions.LARGEST)
        except OSError:
            return None

    def why_unreadable(self, path: str) -> str:
        """Return why ``caption_bytes`` returned nothing."""
        try:
            read_bytes(self.project.root / path, captions.LARGEST)
        except OSError as error:
            too_large = error.errno == errno.EFBIG
            return "larger than 1 MiB" if too_large else str(error.strerror).lower()
        return "it could not be read, and now it can"

    def is_file(self, path: str) -> bool:
        """Return whether a file exists; cached per absolute path."""
        if path not in self._asked:
            self._asked[path] = Path(path).is_file()
        return self._asked[path]

    @cached_property
    def _links(self) -> dict[str, str]:
        """The symbolic links of the dataset, by the absolute path of what they lead to."""
        root = self.project.root
        links = (place.file(name) for place in self.places for name in sorted(place.links))
        return {os.path.realpath(root / link): link for link in links}

    def link_to(self, path: str) -> str:
        """Return a symbolic link that would lead nowhere if this file were renamed, or ``""``."""
        file = self.project.root / path
        if not self._links or file.is_symlink():
            return ""
        return self._links.get(os.path.realpath(file), "")

    def trash(self, path: str) -> Change:
        """Return the change that moves a file to the trash of the project."""
        return move(path, self._trash.place(path))


def ending(name: str) -> str:
    """Return the suffix of a name as written, with its dot."""
    return _split(name)[1]


def _split(name: str) -> tuple[str, str]:
    """Split a name into stem and suffix, like ``os.path.splitext`` but faster."""
    dot = name.rfind(".")
    return (name, "") if dot <= 0 else (name[:dot], name[dot:])


def is_mask(name: str) -> bool:
    """Return whether this is the mask or condition of an image."""
    return name.endswith(MASK_SUFFIXES)


def _listed(project: Project) -> Iterator[CheckedFolder]:
    """Yield the folders below the dataset, one scan of each; loops of links end."""
    dataset = project.dataset
    bare = dataset == project.root
    own = {dataset / name for name in _OWN_FOLDERS} if bare else set()
    for folder in walk_folders(dataset, without=own):
        path = project.relative(Path(folder.path))
        concept = project.concept_folder(f"{path}/x" if path != "." else "x")
        depth = len(Path(folder.path).relative_to(dataset).parts)
        names, hidden = folder.names, sorted(folder.hidden)
        yield CheckedFolder(path, project.concept(concept), depth, names, hidden, folder.links)


def _sorted(place: CheckedFolder, rows: dict[str, ImageRow]) -> CheckedFolder:
    """Sort the image files of a folder by their state in the index."""
    before = place.file("")
    for name, stem, suffix in place.parts:
        path = before + name
        row = rows.get(path)
        if row is None:
            if suffix.lower() not in ALIASES:
                continue
        elif row.excluded is not None:
            place.excluded.append(row)
            continue
        elif row.error is not None:
            place.unreadable.append(row)
            continue
        if row is not None:
            path = row.path  # the same text, which is then in memory once
        place.pictures.append(CheckedImage(path, name, stem, suffix, row))
    return place
