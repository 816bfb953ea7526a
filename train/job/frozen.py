"""The training set of a run, kept in its job directory: what is trained is what was queued.

An export is replaced by the next one, while a run may wait for hours or be resumed after weeks. So
a run has its own copy: images as hard links, which take no space (an export replaces files and
never changes them), and texts as copies, since people change those in place.
"""

import filecmp
import os
import shutil
from pathlib import Path
from typing import Any

import tomlkit

from prep.system.files import write_text, writing_failed
from prep.texts import parse_toml, read_text
from prep.training_set.manifest import FILE_NAME, Manifest

FOLDER = "dataset"
"""The folder in a job directory."""
_TEXTS = (".txt", ".caption", ".toml", ".json")
_PATHS = ("image_dir", "conditioning_data_dir")


def freeze(dataset: Path, job: Path) -> Path:
    """Keep an export in a job directory.

    Args:
        dataset: The dataset file of the export.
        job: The job directory.

    Returns:
        The dataset file of the copy; its paths are relative to it.

    Raises:
        UserError: The disk is full, or the folder is not writable.
    """
    source, folder = dataset.parent, job / FOLDER
    names = [name for name in Manifest(source).names() if name != dataset.name]
    try:
        for name in (*names, FILE_NAME):
            if (source / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                _keep(source / name, folder / name)
    except OSError as error:
        raise writing_failed(folder, error) from error
    write_text(
        folder / dataset.name, tomlkit.dumps(_relative(parse_toml(read_text(dataset)), source))
    )
    return folder / dataset.name


def frozen(job: Path) -> Path | None:
    """Return the dataset file in a job directory; ``None`` if it has none."""
    file = job / FOLDER / "dataset.toml"
    return file if file.is_file() else None


def is_same(one: Path, other: Path) -> bool:
    """Return whether two kept training sets, by their dataset files, are equal."""
    names = _names(one.parent)
    if names != _names(other.parent):
        return False
    return all(filecmp.cmp(one.parent / name, other.parent / name) for name in names)


def _names(folder: Path) -> list[Path]:
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name.name != FILE_NAME)


def _keep(source: Path, target: Path) -> None:
    """Link a file, or copy it where there are no hard links."""
    if source.suffix.lower() not in _TEXTS:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copy2(source, target)


def _relative(tables: dict[str, Any], source: Path) -> dict[str, Any]:
    """Return a dataset file whose paths are relative to its folder."""
    for table in tables.get("datasets", ()):
        for subset in table.get("subsets", ()):
            for key in _PATHS:
                path = Path(subset.get(key, ""))
                if path.is_absolute() and path.is_relative_to(source):
                    subset[key] = path.relative_to(source).as_posix()
    return tables
