"""Detect the format of a source, and read it."""

from dataclasses import replace
from pathlib import Path

from prep.errors import ConfigError, UserError
from prep.formats import archives, folders, imagefolder, onetrainer, sd_scripts
from prep.formats.collection import Collection, safe_folder
from prep.formats.shards import SHARD_MASK
from prep.images import MASK_SUFFIXES, SUFFIXES
from prep.system.names import is_litter_file, natural_key, with_home

_KNOWN = (
    "a folder, a zip or tar, dataset.toml, concepts.json, metadata.jsonl, .csv or .parquet,"
    " or sd-scripts metadata (.json, .jsonl)"
)


def read(source: Path, staging: Path) -> Collection:
    """Read a source of any known format.

    Args:
        source: A folder or a file.
        staging: An empty folder, for unpacked files.

    Raises:
        ConfigError: It does not exist, or its format is unknown.
        UserError: It cannot be read.
    """
    path = with_home(source).resolve()
    if not path.exists():
        raise ConfigError(f"{source} does not exist.", "Check the spelling of the path.")
    if path.is_dir():
        return _folder(path, path.name, staging)
    if archives.is_archive(path):
        return _archive(path, staging)
    return _file(path, staging)


def _file(path: Path, staging: Path) -> Collection:
    suffix = path.suffix.lower()
    if sd_scripts.is_dataset_file(path):
        return sd_scripts.read_dataset(path)
    if onetrainer.is_concepts_file(path):
        return onetrainer.read(path)
    if path.name in imagefolder.NAMES or suffix in (".parquet", ".csv"):
        return imagefolder.read([path], path.parent.name, staging)
    if suffix in (".json", ".jsonl"):
        return sd_scripts.read_metadata(path)
    raise ConfigError(f"{path} has an unknown format.", f"Known: {_KNOWN}.")


def _folder(path: Path, label: str, staging: Path) -> Collection:
    """Read a folder; a file that describes it takes precedence."""
    home = staging.resolve() if path.resolve().is_relative_to(staging.resolve()) else None
    described = [path / "dataset.toml", *_named(path, "*.toml")]
    for file in described:
        if sd_scripts.is_dataset_file(file):
            return sd_scripts.read_dataset(file, home)
    if onetrainer.is_concepts_file(path / "concepts.json"):
        return onetrainer.read(path / "concepts.json", home)
    if found := imagefolder.metadata_files(path):
        return imagefolder.read(found, label, staging)
    if shards := _named(path, "*.tar"):
        return _shards(shards, label, staging)
    if (found := imagefolder.parquet_files(path)) and not folders.has_images(path):
        return imagefolder.read(found, label, staging)
    return folders.read(path, label)


def _named(folder: Path, pattern: str) -> list[Path]:
    """Return the files that a pattern matches, in natural order, without hidden ones."""
    found = (file for file in folder.glob(pattern) if not is_litter_file(file.name))
    return sorted(found, key=lambda file: natural_key(file.name))


def _archive(path: Path, staging: Path) -> Collection:
    inside = staging / path.stem
    inside.mkdir(parents=True)
    done = archives.unpack(path, inside)
    try:
        collection = _unpacked(inside, staging, path.stem)
    except UserError as error:
        # Nobody knows the temporary folder, which is gone when this is read.
        error.message = error.message.replace(str(inside), str(path))
        if not done.skipped:
            raise
        collection = Collection("archive", notes=[(error.message, error.hint)])
    kind = f"{collection.format} in {path.suffix.lower()[1:]}"
    return replace(collection, format=kind, skipped=[*done.skipped, *collection.skipped])


def _shards(files: list[Path], label: str, staging: Path) -> Collection:
    """Read WebDataset shards: one folder, packed in parts."""
    inside = staging / safe_folder(label)
    inside.mkdir(parents=True)
    skipped = [
        (f"{file.name}/{name}", reason)
        for file in files
        for name, reason in archives.unpack(file, inside).skipped
    ]
    collection = _unpacked(inside, staging, label)
    return replace(collection, format="WebDataset shards", skipped=[*skipped, *collection.skipped])


def _unpacked(inside: Path, staging: Path, label: str) -> Collection:
    """Read an unpacked folder; files outside it are ignored."""
    _name_masks(inside)
    collection = _folder(_only_folder(inside), label, staging)
    home = staging.resolve()
    pictures = []
    for picture in collection.pictures:
        caption = picture.caption
        files = [picture.file, *picture.others.values()]
        files += [caption.file] if caption and caption.file else []
        if all(file.resolve().is_relative_to(home) for file in files):
            pictures.append(picture)
        else:
            collection.skipped.append((str(picture.file), "is outside the archive"))
    return replace(collection, pictures=pictures)


def _name_masks(inside: Path) -> None:
    """Rename masks named as in shards (suffix after the first dot) to the names of sidecars."""
    for mask in list(inside.rglob(f"*{SHARD_MASK}")):
        stem = mask.name.removesuffix(SHARD_MASK)
        if any(mask.with_name(stem + suffix).exists() for suffix in SUFFIXES):
            mask.rename(mask.with_name(stem + MASK_SUFFIXES[0]))


def _only_folder(place: Path) -> Path:
    """Step into a folder that contains only one folder, unless it is a concept itself."""
    children = list(place.iterdir())
    if len(children) == 1 and children[0].is_dir() and not folders.is_concept(children[0]):
        return _only_folder(children[0])
    return place
