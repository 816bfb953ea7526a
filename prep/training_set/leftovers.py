"""Warn of files in an export folder that do not belong to the export."""

import glob
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from prep import events
from prep.images import is_image_name
from prep.language import english
from prep.system.names import is_litter_file, natural_key

Shown = Callable[[str], str]
"""Maps a file name in the export to the path shown in events."""


def foreign_images(
    root: Path, folders: Iterable[str], wanted: Collection[str], shown: Shown
) -> Iterator[events.Event]:
    """Warn of images that do not belong to the training set but are read by trainers.

    Args:
        root: The export.
        folders: Its folders of images, below it.
        wanted: Names of the files of the export, relative to it.
        shown: Maps names to paths in warnings.
    """
    for folder in folders:
        inside = (file.name for file in (root / folder).glob("*") if file.is_file())
        files = sorted(inside, key=natural_key)
        others = [name for name in files if _is_read(name) and f"{folder}/{name}" not in wanted]
        if others:
            yield events.Warned(
                english(
                    "{folder} contains {count} image that is not in this training set ({example}),"
                    " but trainers read it.",
                    "{folder} contains {count} images that are not in this training set"
                    " ({example}, …), but trainers read them.",
                    len(others),
                    folder=shown(folder),
                    example=others[0],
                ),
                "Move elsewhere what does not belong there, or export to an empty folder.",
            )


def _is_read(name: str) -> bool:
    return is_image_name(name) and not is_litter_file(name)


def old_caches(root: Path, remade: Iterable[str], shown: Shown) -> Iterator[events.Event]:
    """Warn of latent caches of sd-scripts beside images that were rewritten."""
    caches = [cache for name in remade for cache in _latent_caches(root, name)]
    if caches:
        yield events.Warned(
            english(
                "{count} latent cache belongs to an image that has changed ({example}).",
                "{count} latent caches belong to images that have changed ({example}, …).",
                len(caches),
                example=shown(caches[0]),
            ),
            "Delete these .npz files, or sd-scripts keeps training on the old pixels.",
        )


def _latent_caches(root: Path, name: str) -> Iterator[str]:
    """Yield the .npz files of an image; sd-scripts never checks them."""
    place, stem = (root / name).parent, glob.escape(Path(name).stem)
    for pattern in (f"{stem}.npz", f"{stem}_*x*.npz"):
        yield from (file.relative_to(root).as_posix() for file in place.glob(pattern))
