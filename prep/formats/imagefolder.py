"""The Hugging Face ``imagefolder``: images, and ``metadata.jsonl``, ``.csv`` or ``.parquet``.

Source: the ``datasets`` documentation: a metadata file has a column ``file_name`` (or one that
ends in ``_file_name``), whose paths begin at the metadata file; other columns are free, and
captions are usually in ``text``. Parquet files may also hold the images themselves.
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.errors import ConfigError, MissingExtraError, reason_of
from prep.formats.collection import (
    Collection,
    SourceCaption,
    SourceConcept,
    SourceImage,
    safe_folder,
    without_split,
)
from prep.formats.folders import REG_NAMES
from prep.formats.sidecars import below
from prep.images import is_image_name
from prep.system.names import (
    existing,
    is_file,
    is_litter_file,
    is_litter_folder,
    natural_key,
    shortened_name,
)
from prep.texts import parse_json, read_text

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
_CAPTIONS = ("text", "caption", "prompt", "captions", "description", "tags")

_BREAKS = re.compile("[\x85\u2028\u2029\ud800-\udfff]")
"""Characters that some readers take for a line end, or that are not valid UTF-8."""

MetadataRow = Mapping[str, Any]


def metadata_files(folder: Path) -> list[Path]:
    """Return the metadata files of an imagefolder: directly inside, or one per split."""
    here = [folder / name for name in NAMES if (folder / name).is_file()]
    if here:
        return here[:1]
    children = sorted(folder.glob("*"), key=lambda child: natural_key(child.name))
    deeper = [
        child / name for child in children if not is_litter_folder(child.name) for name in NAMES
    ]
    return [file for file in deeper if file.is_file()]


def parquet_files(folder: Path) -> list[Path]:
    """Return parquet files that could hold images: directly inside, or in ``data``."""
    found = [*folder.glob("*.parquet"), *folder.glob("data/*.parquet")]
    return sorted(
        (file for file in found if not is_litter_file(file.name)),
        key=lambda file: natural_key(str(file)),
    )


def read(files: Sequence[Path], label: str, staging: Path) -> Collection:
    """Read metadata files.

    Args:
        files: JSON lines, CSV or parquet.
        label: Concept of images that are not in a subfolder.
        staging: Folder to which images inside a parquet file are unpacked.

    Raises:
        ConfigError: A file is broken or does not name any files.
        MissingExtraError: Parquet, and pyarrow is not installed.
    """
    collection = Collection("Hugging Face imagefolder")
    for file in files:
        _read_one(collection, file, safe_folder(label), staging)
    return collection


def _read_one(collection: Collection, file: Path, label: str, staging: Path) -> None:
    found: list[tuple[str, Path, MetadataRow]] = []
    taken: set[str] = set()
    column = ""
    for number, row in enumerate(_rows(file)):
        column = column or _file_column(file, row)
        name, image = _image(file, row.get(column), number, staging)
        if image is None:
            collection.skipped.append((name, f"listed in {file.name}, but the file does not exist"))
        elif name in taken:
            collection.skipped.append((name, f"listed twice in {file.name}"))
        else:
            taken.add(name)
            text = {key: value for key, value in row.items() if key in _CAPTIONS}
            found.append((name, image, text))
    inside = without_split([name for name, _, _ in found])
    for (_, image, row), name in zip(found, inside, strict=True):
        parts = name.split("/")
        regular = len(parts) > 2 and parts[0] in REG_NAMES
        inside_reg = "/".join(parts[1:]) if regular else name
        picture = _picture(image, inside_reg, label, row)
        collection.concepts.setdefault(picture.concept, SourceConcept(regularization=regular))
        collection.pictures.append(picture)
    if column == "file_name":
        _say_what_is_missing(collection, file, {image for _, image, _ in found})


def _picture(image: Path, inside: str, label: str, row: MetadataRow) -> SourceImage:
    value = next((row[name] for name in _CAPTIONS if name in row), None)
    first, slash, rest = inside.partition("/")
    concept, name = (first, rest) if slash else (label, inside)
    if isinstance(value, list):
        value = "\n".join(str(item) for item in value)
    caption = SourceCaption(text=str(value)) if value not in (None, "") else None
    return SourceImage(image, safe_folder(concept), name, caption)


def _say_what_is_missing(collection: Collection, file: Path, known: set[Path]) -> None:
    for picture in below(file.parent, "").pictures:
        if picture.file.resolve() not in known:
            collection.skipped.append((str(picture.file), f"not listed in {file.name}"))


def _image(file: Path, value: Any, number: int, staging: Path) -> tuple[str, Path | None]:
    """Return the name and the file of an image, unpacked if the row contains its bytes."""
    if isinstance(value, Mapping):
        name = Path(str(value.get("path") or "")).name or f"{file.stem}-{number:06}"
        data = value.get("bytes")
        if not isinstance(data, bytes):
            return name, None
        if not is_image_name(name):
            name += ".png" if data.startswith(b"\x89PNG") else ".jpg"
        name = shortened_name(name)
        target = staging / file.stem / name
        if target.exists():
            name = shortened_name(f"{number:06}-{name}")
            target = target.with_name(name)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        return name, target
    name = str(value or "").replace("\\", "/")
    place = existing(file.parent / name)
    return name, place.resolve() if name and is_file(place) else None


def _file_column(file: Path, row: MetadataRow) -> str:
    """Return the column that names the file, or that contains the image itself."""
    named = [name for name in row if name == "file_name" or str(name).endswith("_file_name")]
    embedded = [name for name, value in row.items() if _is_image(value)]
    for name in (*sorted(named, key=len), *embedded):
        return name
    raise ConfigError(f"{file} has no column file_name.", "An imagefolder needs one.")


def _is_image(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes)


def _rows(file: Path) -> Iterator[MetadataRow]:
    if file.suffix.lower() == ".parquet":
        yield from _parquet(file)
        return
    try:
        text = read_text(file)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {reason_of(error)}.") from error
    if file.suffix.lower() == ".csv":
        yield from csv.DictReader(io.StringIO(text, newline=""))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = parse_json(line)
            except ValueError as error:
                raise ConfigError(f"{file}, line {number}: {error}.") from error
            if isinstance(row, dict):
                yield row


def _parquet(file: Path) -> Iterator[MetadataRow]:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("pyarrow", "parquet") from None
    try:
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=64):
            yield from batch.to_pylist()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} is not a valid parquet file: {error}.") from error


def metadata_jsonl(rows: Sequence[tuple[str, str]]) -> str:
    """Return the text of ``metadata.jsonl`` for (file name, caption)."""
    return "".join(
        _BREAKS.sub(
            lambda found: f"\\u{ord(found[0]):04x}",
            json.dumps({"file_name": name, "text": text}, ensure_ascii=False),
        )
        + "\n"
        for name, text in rows
    )
