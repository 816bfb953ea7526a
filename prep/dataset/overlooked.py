"""Captions that are not read because they have the other suffix, ``.caption`` or ``.txt``."""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from prep.dataset.index import ImageRow
from prep.dataset.journal.sidecars import CAPTION_SUFFIXES, Listing
from prep.project import FILE_NAME, Project
from prep.system.names import same_name


def other_suffix(project: Project) -> str:
    """Return the suffix of captions that the project does not read."""
    read = project.settings.captions.extension
    return next(suffix for suffix in CAPTION_SUFFIXES if suffix != read)


def overlooked(project: Project, rows: Iterable[ImageRow]) -> dict[str, str]:
    """Return the overlooked captions of images without one, by the paths of the images."""
    suffix, listing = other_suffix(project), Listing()
    found: dict[str, str] = {}
    for row in rows:
        if row.caption is None and row.caption_error is None:
            path = PurePosixPath(row.path)
            wanted = same_name(path.stem + suffix)
            for name in listing.beginning(str(project.root / path.parent), path.stem):
                if same_name(name) == wanted:
                    found[row.path] = path.with_name(name).as_posix()
    return found


def message(files: Sequence[str], images: str) -> str:
    """Return what is wrong; ``images`` says whose captions they are."""
    suffix = PurePosixPath(files[0]).suffix
    if len(files) == 1:
        return f"The {suffix} file of {images} is not read as a caption ({files[0]})."
    return f"The {suffix} files of {images} are not read as captions ({files[0]}, …)."


def hint(project: Project) -> str:
    """Return how to have them read."""
    suffix = other_suffix(project)
    return (
        f'Set extension = "{suffix}" in [captions] of {FILE_NAME}, or rename them with:'
        " shikomi check --only caption-elsewhere --fix"
    )
