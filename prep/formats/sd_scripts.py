"""The formats of sd-scripts: the dataset file (TOML or JSON) and metadata (JSON or JSON lines).

Source: ``library/config_util.py`` (keys, and inheritance of a subset from its dataset and
then from ``general``) and ``library/train_util.py`` (how metadata becomes captions).
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prep.errors import ConfigError
from prep.formats import paths
from prep.formats.collection import (
    Collection,
    SourceCaption,
    SourceConcept,
    SourceImage,
    free_folder,
    leading_tag,
)
from prep.formats.folders import caption_text
from prep.formats.sidecars import below
from prep.images import SUFFIXES, is_image_name
from prep.system.names import MAX_BYTES, existing, is_file, is_litter_file, with_home
from prep.texts import parse_json, parse_toml, read_text

# fmt: off
_CARRIED = frozenset({
    "image_dir", "metadata_file", "num_repeats", "is_reg", "class_tokens", "caption_extension",
    "caption_separator", "keep_tokens", "shuffle_caption", "conditioning_data_dir", "subsets",
    "resolution", "batch_size", "enable_bucket", "min_bucket_reso", "max_bucket_reso",
    "bucket_reso_steps", "bucket_no_upscale",
})
# fmt: on
_DEFAULT_EXTENSION = ".caption"
_MASK = "-masklabel.png"


def is_dataset_file(file: Path) -> bool:
    """Return whether this is a dataset file, or a training configuration that names one."""
    if file.suffix.lower() not in (".toml", ".json"):
        return False
    try:
        data = _load(file)
    except ConfigError:
        return False
    return isinstance(data, dict) and bool({"datasets", "dataset_config"} & data.keys())


def read_dataset(file: Path, home: Path | None = None) -> Collection:
    """Read a dataset file.

    Args:
        file: TOML or JSON.
        home: Ignore everything outside this folder; ``None`` for no limit.

    Raises:
        ConfigError: It is broken, or does not name any datasets.
    """
    data = _load(file)
    if isinstance(named := data.get("dataset_config"), str) and "datasets" not in data:
        return read_dataset(_place(file, named, home), home)
    general = _table(data.get("general"))
    collection = Collection("sd-scripts dataset file")
    reader = _Reader(file, collection, home)
    datasets = data.get("datasets")
    if not isinstance(datasets, list):
        raise ConfigError(f"{file} has no [[datasets]].", "Is it another kind of file?")
    for dataset in map(_table, datasets):
        for subset in map(_table, dataset.get("subsets") or []):
            reader.subset({**general, **dataset, **subset})
    collection.settings = _settings({**general, **_table(datasets[0] if datasets else None)})
    reader.say_what_stays()
    return collection


def read_metadata(file: Path, folder: Path | None = None) -> Collection:
    """Read a separate metadata file.

    Args:
        file: JSON (``{path: {"tags", "caption"}}``) or JSON lines (``image_path``, ``caption``).
        folder: Folder of its images if paths are relative; that of the file by default.

    Raises:
        ConfigError: It is broken.
    """
    collection = Collection("sd-scripts metadata")
    place = folder or file.parent
    concept = free_folder(place.name, set())
    collection.concepts[concept] = SourceConcept()
    _add_metadata(collection, file, place, concept, ", ")
    return collection


class _Reader:
    """Turns subsets into concepts, one by one."""

    def __init__(self, file: Path, collection: Collection, home: Path | None) -> None:
        self._file, self._collection, self._home = file, collection, home
        self._folders: set[str] = set()
        self._seen: set[str] = set()
        self._left: set[str] = set()

    def subset(self, values: Mapping[str, Any]) -> None:
        """Read one subset with everything that it inherits."""
        self._left |= values.keys() - _CARRIED
        metadata, image_dir = values.get("metadata_file"), values.get("image_dir")
        place = self._place(str(image_dir or Path(str(metadata or "")).parent))
        key = f"{place} {metadata or ''}"
        if key in self._seen:
            self._collection.notes.append(
                (f"{place} is listed more than once.", "Its images are imported once.")
            )
            return
        self._seen.add(key)
        concept = free_folder(place.name, self._folders)
        if metadata:
            separator = str(values.get("caption_separator", ",")).strip() + " "
            source = self._place(str(metadata))
            _add_metadata(self._collection, source, place, concept, separator)
        elif not place.is_dir():
            self._collection.skipped.append((str(place), "the folder does not exist"))
            return
        else:
            extension = str(values.get("caption_extension") or _DEFAULT_EXTENSION)
            found = below(place, concept, extension, deep=False)
            self._collection.pictures += found.pictures
            self._collection.skipped += found.skipped
        self._masks(concept, values.get("conditioning_data_dir"))
        self._collection.concepts[concept] = self._concept(concept, values)

    def say_what_stays(self) -> None:
        """Warn of settings that are not imported."""
        if self._left:
            self._collection.notes.append(
                (
                    f"Not imported from {self._file.name}: {', '.join(sorted(self._left))}.",
                    "Captions are imported unchanged.",
                )
            )

    def _place(self, text: str) -> Path:
        return _place(self._file, text, self._home)

    def _concept(self, concept: str, values: Mapping[str, Any]) -> SourceConcept:
        tokens = values.get("class_tokens")
        members = [p for p in self._collection.pictures if p.concept == concept]
        texts = [text for picture in members if (text := caption_text(picture.caption))]
        kept = isinstance(values.get("keep_tokens"), int) and values["keep_tokens"] > 0
        # Without captions, sd-scripts trains on the class tokens only.
        regular = bool(values.get("is_reg"))
        spoken = kept or not texts or (not regular and leading_tag(texts) == tokens)
        trigger = tokens if isinstance(tokens, str) and spoken else ""
        repeats = values.get("num_repeats", 1)
        return SourceConcept(
            repeats if isinstance(repeats, int) and repeats > 0 else 1,
            trigger,
            regular,
        )

    def _masks(self, concept: str, folder: Any) -> None:
        """Assign the masks of the same name in another folder."""
        if not isinstance(folder, str):
            return
        place = self._place(folder)
        masks = {
            file.stem: file
            for file in sorted(place.glob("*"))
            if is_image_name(file.name) and not is_litter_file(file.name)
        }
        pictures = self._collection.pictures
        for number, picture in enumerate(pictures):
            if picture.concept == concept and picture.file.stem in masks:
                others = {**picture.others, _MASK: masks[picture.file.stem]}
                pictures[number] = SourceImage(
                    picture.file, picture.concept, picture.name, picture.caption, others
                )


def _add_metadata(
    collection: Collection, file: Path, place: Path, concept: str, separator: str
) -> None:
    names: set[str] = set()
    for key, image, text in listed_images(file, place, separator):
        if image is None:
            collection.skipped.append((key, f"listed in {file.name}, but the file does not exist"))
            continue
        if str(image) in names:
            collection.skipped.append((key, f"listed twice in {file.name}"))
            continue
        names.add(str(image))
        caption = SourceCaption(text=text) if text is not None else None
        inside = image.is_relative_to(place)
        name = image.relative_to(place).as_posix() if inside else image.name
        collection.pictures.append(SourceImage(image, concept, name, caption))


def listed_images(
    file: Path, place: Path, separator: str
) -> Iterator[tuple[str, Path | None, str | None]]:
    """Yield the name, the file and the caption of each image that a metadata file lists.

    Args:
        file: As in ``read_metadata``.
        place: Folder of its images if paths are relative.
        separator: Between caption and tags.

    Raises:
        ConfigError: The file is broken.
    """
    for key, entry in _entries(file):
        yield key, _image(key, place, file.parent), _caption(entry, separator)


def _entries(file: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield (path or name, metadata).

    Raises:
        ConfigError: The file is broken.
    """
    if file.suffix.lower() != ".jsonl":
        data = _load(file)
        yield from ((str(key), _table(value)) for key, value in data.items())
        return
    for number, line in enumerate(_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            entry = _table(parse_json(line))
        except ValueError as error:
            raise ConfigError(f"{file}, line {number}: {error}.") from error
        yield str(entry.get("image_path") or entry.get("file_name") or ""), entry


def _caption(entry: Mapping[str, Any], separator: str) -> str | None:
    """Join caption and tags as sd-scripts does: the caption, then the tags."""
    parts = [str(entry[name]) for name in ("caption", "tags") if entry.get(name) is not None]
    return separator.join(part for part in parts if part) if parts else None


def _image(key: str, place: Path, beside: Path) -> Path | None:
    """Find the file of an entry: its path, or a name below a folder, perhaps without suffix."""
    if not key or "\0" in key:
        return None
    for base in (place, beside):
        direct = existing(base / key)
        if is_file(direct):
            return direct.resolve()
        for suffix in sorted(SUFFIXES):
            for ending in (suffix, suffix.upper()):
                if is_file(named := direct.with_name(direct.name + ending)):
                    return named.resolve()
    return None


def _settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings for a new project, as tables of ``shikomi.toml``."""
    resolution = values.get("resolution")
    if isinstance(resolution, list) and resolution and len(set(resolution)) == 1:
        resolution = resolution[0]
    buckets = {
        "step": values.get("bucket_reso_steps"),
        "minimum": values.get("min_bucket_reso"),
        "maximum": values.get("max_bucket_reso"),
        "no_upscale": values.get("bucket_no_upscale"),
    }
    tables = {
        "project": {"resolution": resolution if isinstance(resolution, int) else None},
        "buckets": buckets,
        "train": {"batch_size": values.get("batch_size")},
    }
    given = {
        name: {key: value for key, value in table.items() if value is not None}
        for name, table in tables.items()
    }
    return {name: table for name, table in given.items() if table}


def _place(file: Path, text: str, home: Path | None) -> Path:
    place = paths.find(file, text, home) or (file.parent / with_home(text)).resolve()
    if max(len(os.fsencode(part)) for part in place.parts) > MAX_BYTES:
        raise ConfigError(f"{file.name}: a path has a name that is too long.", "Shorten it.")
    return place


def _load(file: Path) -> dict[str, Any]:
    text = _text(file)
    try:
        data = parse_toml(text) if file.suffix.lower() == ".toml" else parse_json(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is broken: {error}.") from error
    if not isinstance(data, dict):
        raise ConfigError(f"{file} does not contain a table.", "Is it another kind of file?")
    return data


def _text(file: Path) -> str:
    try:
        return read_text(file)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file} is not UTF-8 text.", "Save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror or error}.") from error


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
