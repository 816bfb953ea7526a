"""The files that belong to an image and must go where it goes: captions, masks, caches.

Facts: captions beside the image (``a.txt``, ``a.caption``); OneTrainer's masks and conditions
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
    """The names in folders, each folder read once: for many images, while nothing is moved."""

    def __init__(self) -> None:
        """Start with no folder read."""
        self._names: dict[str, list[str]] = {}

    def beginning(self, folder: str, stem: str) -> Iterator[str]:
        """Yield the names in a folder that begin with ``stem``, in order."""
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


def companions(image: Path, listing: Listing | None = None) -> list[Path]:
    """Return the existing files that belong to an image, in name order, itself not among them.

    ``a.png`` and ``a.jpg`` share them: while the other image is there, none is returned.

    Args:
        image: The image.
        listing: For calls about many images, so that folders are not read again for each.
    """
    stem = image.stem
    names = list((listing or Listing()).beginning(str(image.parent), stem))
    if any(_same_stem(name, image) for name in names):
        return []
    return [image.with_name(name) for name in names if _belongs(name, stem)]


def moves(project: Project, path: str, target: str, listing: Listing | None = None) -> list[Change]:
    """Return the changes that move an image with all its companions.

    Args:
        project: The project.
        path: The image, relative to the project.
        target: Where it goes, relative to the project; companions take its new stem.
        listing: As for ``companions``.
    """
    stem, new_stem = Path(path).stem, Path(target).stem
    found = [move(path, target)]
    for file in companions(project.root / path, listing):
        name = new_stem + file.name.removeprefix(stem)
        found.append(move(project.relative(file), Path(target).with_name(name).as_posix()))
    return found


def to_trash(project: Project, paths: Iterable[str]) -> list[Change]:
    """Return the changes that move images with their companions to the trash of the project."""
    trash, listing = project.relative(project.state / "trash"), Listing()
    return [
        change
        for path in paths
        for change in moves(project, path, _free(project, f"{trash}/{path}"), listing)
    ]


def _free(project: Project, target: str) -> str:
    """Number a path in the trash that is taken: a.png, then a.1.png."""
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
