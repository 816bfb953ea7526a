"""Sidecars: files that belong to an image and move with it, such as captions, masks and caches.

Captions lie beside the image (``a.txt``, ``a.caption``); OneTrainer's masks and conditions are
(``a-masklabel.png``, ``a-condlabel.png``); sd-scripts' latent and text caches (``a.npz``,
``a_1024x0768_sd.npz``, ``a_te_outputs.npz``).
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from prep.dataset.journal.changes import Change, move
from prep.images import MASK_SUFFIXES, is_image_name
from prep.project import Project
from prep.system.names import is_there, numbered, same_name, shortened
from prep.system.walking import walk_folders

CAPTION_SUFFIXES = (".txt", ".caption")
_CACHE = re.compile(r"(?:_\d+x\d+(?:_\w+)?|_te_outputs)?\.npz")


class Listing:
    """Cached listings of folders, valid while nothing is moved."""

    def __init__(self) -> None:
        """Start empty."""
        self._names: dict[str, list[tuple[str, str]]] = {}

    def beginning(self, folder: str, stem: str) -> Iterator[str]:
        """Yield the names in a folder that start with ``stem``, in any form of its accents."""
        if folder not in self._names:
            try:
                names = os.listdir(folder)  # noqa: PTH208  (only names)
            except OSError:
                names = []
            self._names[folder] = sorted((same_name(name), name) for name in names)
        listed, start = self._names[folder], same_name(stem)
        for place in range(bisect_left(listed, (start, "")), len(listed)):
            form, name = listed[place]
            if not form.startswith(start):
                return
            yield name


def find_sidecars(
    image: Path, listing: Listing | None = None, extension: str = ".txt"
) -> list[Path]:
    """Return the existing files that belong to an image, in name order, without the image.

    ``a.png`` and ``a.jpg`` share them: while the other image exists, none is returned.

    Args:
        image: The image.
        listing: Shared by calls for many images, so that folders are read once.
        extension: Suffix of captions in the project; ``.txt`` and ``.caption`` belong as well.
    """
    stem = image.stem
    suffixes = (*CAPTION_SUFFIXES, *MASK_SUFFIXES, extension)
    names = list((listing or Listing()).beginning(str(image.parent), stem))
    if any(_same_stem(name, image) for name in names):
        return []
    return [image.with_name(name) for name in names if _belongs(_ending(name, stem), suffixes)]


def moves(project: Project, path: str, target: str, listing: Listing | None = None) -> list[Change]:
    """Return the changes that move an image with all its sidecars.

    Args:
        project: The project.
        path: The image, relative to the project.
        target: Its new path, relative to the project; sidecars take its stem.
        listing: As in ``find_sidecars``.
    """
    stem = Path(path).stem
    files = find_sidecars(project.root / path, listing, project.settings.captions.extension)
    endings = [_ending(file.name, stem) for file in files]
    room = max(len(os.fsencode(ending)) for ending in (Path(target).suffix, *endings))
    new_stem = shortened(Path(target).stem, room)
    place = Path(target).with_name(new_stem + Path(target).suffix)
    found = [move(path, place.as_posix())]
    for file, ending in zip(files, endings, strict=True):
        found.append(move(project.relative(file), place.with_name(new_stem + ending).as_posix()))
    return found


def to_trash(project: Project, paths: Iterable[str]) -> list[Change]:
    """Return the changes that move images with their sidecars to the trash of the project.

    Symbolic links to an image go with it, since they would lead nowhere.
    """
    gone = list(dict.fromkeys(paths))
    if not gone:
        return []
    trash, listing, links = Trash(project), Listing(), _links(project)
    leading = (link for path in gone for link in links.get(str(_real(project, path)), ()))
    return [
        change
        for path in dict.fromkeys([*gone, *leading])
        for change in moves(project, path, trash.place(path), listing)
    ]


def _real(project: Project, path: str) -> Path:
    """Return the place of an image itself; moving a link leaves what it leads to."""
    place = project.root / path
    return place if place.is_symlink() else place.resolve()


def _links(project: Project) -> dict[str, list[str]]:
    """Return the symbolic links to images of the dataset, by the images' absolute paths."""
    found: dict[str, list[str]] = {}
    for folder in walk_folders(project.dataset, is_image_name):
        for name, target in folder.repeated.items():
            if target:
                link = project.relative(Path(folder.path, name))
                found.setdefault(target, []).append(link)
    return found


class Trash:
    """Finds free places in the trash of a project: a.png, then a.1.png."""

    def __init__(self, project: Project) -> None:
        """Nothing is planned yet."""
        self._root, self._folder = project.root, project.relative(project.state / "trash")
        self._planned: set[str] = set()

    def place(self, path: str) -> str:
        """Return a free place for a file of the project, which no later call returns again."""
        wanted, number = Path(self._folder, path), 0
        choice = wanted
        while choice.as_posix() in self._planned or is_there(self._root / choice):
            number += 1
            choice = wanted.with_name(numbered(wanted.name, number, "."))
        self._planned.add(choice.as_posix())
        return choice.as_posix()


def _same_stem(name: str, image: Path) -> bool:
    return name != image.name and is_image_name(name) and Path(name).stem == image.stem


def _ending(name: str, stem: str) -> str:
    """Return what a name has behind a stem that it starts with."""
    return same_name(name)[len(same_name(stem)) :]


def _belongs(ending: str, suffixes: Sequence[str]) -> bool:
    return ending in suffixes or bool(_CACHE.fullmatch(ending))
