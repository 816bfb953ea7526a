"""Sidecars: files that belong to an image and move with it, such as captions, masks and caches.

Captions lie beside the image (``a.txt``, ``a.caption``); OneTrainer's masks and conditions are
(``a-masklabel.png``, ``a-condlabel.png``); sd-scripts' latent and text caches (``a.npz``,
``a_1024x0768_sd.npz``, ``a_te_outputs.npz``).
"""

import os
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from pathlib import Path

from prep.dataset.journal.changes import Change, move
from prep.images import MASK_SUFFIXES, is_image_name
from prep.project import Project

CAPTION_SUFFIXES = (".txt", ".caption")
_CACHE = re.compile(r"(?:_\d+x\d+(?:_\w+)?|_te_outputs)?\.npz")


class Listing:
    """Cached listings of folders, valid while nothing is moved."""

    def __init__(self) -> None:
        """Start empty."""
        self._names: dict[str, list[str]] = {}

    def beginning(self, folder: str, stem: str) -> Iterator[str]:
        """Yield the names in a folder that start with ``stem``, sorted."""
        if folder not in self._names:
            try:
                self._names[folder] = sorted(os.listdir(folder))  # noqa: PTH208  (only names)
            except OSError:
                self._names[folder] = []
        names = self._names[folder]
        for place in range(bisect_left(names, stem), len(names)):
            if not names[place].startswith(stem):
                return
            yield names[place]


def find_sidecars(image: Path, listing: Listing | None = None) -> list[Path]:
    """Return the existing files that belong to an image, in name order, without the image.

    ``a.png`` and ``a.jpg`` share them: while the other image exists, none is returned.

    Args:
        image: The image.
        listing: Shared by calls for many images, so that folders are read once.
    """
    stem = image.stem
    names = list((listing or Listing()).beginning(str(image.parent), stem))
    if any(_same_stem(name, image) for name in names):
        return []
    return [image.with_name(name) for name in names if _belongs(name, stem)]


def moves(project: Project, path: str, target: str, listing: Listing | None = None) -> list[Change]:
    """Return the changes that move an image with all its sidecars.

    Args:
        project: The project.
        path: The image, relative to the project.
        target: Its new path, relative to the project; sidecars take its stem.
        listing: As in ``find_sidecars``.
    """
    stem, new_stem = Path(path).stem, Path(target).stem
    found = [move(path, target)]
    for file in find_sidecars(project.root / path, listing):
        name = new_stem + file.name.removeprefix(stem)
        found.append(move(project.relative(file), Path(target).with_name(name).as_posix()))
    return found


def to_trash(project: Project, paths: Iterable[str]) -> list[Change]:
    """Return the changes that move images with their sidecars to the trash of the project."""
    trash, listing = project.relative(project.state / "trash"), Listing()
    return [
        change
        for path in paths
        for change in moves(project, path, _free(project, f"{trash}/{path}"), listing)
    ]


def _free(project: Project, target: str) -> str:
    """Number a path that is taken in the trash: a.png, then a.1.png."""
    place, number = Path(target), 0
    choice = place
    while (project.root / choice).exists():
        number += 1
        choice = place.with_name(f"{place.stem}.{number}{place.suffix}")
    return choice.as_posix()


def _same_stem(name: str, image: Path) -> bool:
    return name != image.name and is_image_name(name) and Path(name).stem == image.stem


def _belongs(name: str, stem: str) -> bool:
    if not name.startswith(stem):
        return False
    rest = name[len(stem) :]
    return rest in CAPTION_SUFFIXES or rest in MASK_SUFFIXES or bool(_CACHE.fullmatch(rest))
