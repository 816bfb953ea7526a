"""The files that belong to an image and must go where it goes: captions, masks, caches.

Facts: captions beside the image (``a.txt``, ``a.caption``); OneTrainer's masks and conditions
(``a-masklabel.png``, ``a-condlabel.png``); sd-scripts' latent and text caches (``a.npz``,
``a_1024x0768_sd.npz``, ``a_te_outputs.npz``).
"""

import re
from collections.abc import Iterable
from pathlib import Path

from prep.changes import Change, move
from prep.images import MASK_SUFFIXES, is_image_name
from prep.project import Project

CAPTION_SUFFIXES = (".txt", ".caption")
_CACHE = re.compile(r"(?:_\d+x\d+(?:_\w+)?|_te_outputs)?\.npz")


def companions(image: Path) -> list[Path]:
    """Return the existing files that belong to an image, in name order, itself not among them.

    ``a.png`` and ``a.jpg`` share them: while the other image is there, none is returned.
    """
    try:
        names = sorted(entry.name for entry in image.parent.iterdir())
    except OSError:
        return []
    if any(_same_stem(name, image) for name in names):
        return []
    return [image.with_name(name) for name in names if _belongs(name, image.stem)]


def moves(project: Project, path: str, target: str) -> list[Change]:
    """Return the changes that move an image with all its companions.

    Args:
        project: The project.
        path: The image, relative to the project.
        target: Where it goes, relative to the project; companions take its new stem.
    """
    stem, new_stem = Path(path).stem, Path(target).stem
    found = [move(path, target)]
    for file in companions(project.root / path):
        name = new_stem + file.name.removeprefix(stem)
        found.append(move(project.relative(file), Path(target).with_name(name).as_posix()))
    return found


def to_trash(project: Project, paths: Iterable[str]) -> list[Change]:
    """Return the changes that move images with their companions to the trash of the project."""
    trash = project.relative(project.state / "trash")
    return [
        change
        for path in paths
        for change in moves(project, path, _free(project, f"{trash}/{path}"))
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
