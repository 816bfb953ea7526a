"""Which kind of tagger a folder holds: by its file names, its model's input, and its own records.

A record that names a file with preprocessing gets what that file says.
"""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prep.errors import UserError, reason_of
from prep.project.faults import describe_faults
from prep.tagging.models.graph import picture_input
from prep.tagging.models.records import (
    CAMIE,
    CL,
    CL_2,
    DEEPDANBOORU,
    JOYTAG,
    ML_DANBOORU,
    OPPAI,
    PIXAI_1,
    RECORDS,
    TIMM,
    WD,
    Record,
)
from prep.tagging.models.stages import Pipeline, Resize, understand
from prep.texts import parse_json, parse_toml, read_text

_LAYOUTS: tuple[tuple[tuple[str, ...], Record], ...] = (
    (("model.onnx", "selected_tags.csv", "preprocess.json"), TIMM),
    (("model.onnx", "selected_tags.csv", "preprocessing.json"), OPPAI),
    (("model.onnx", "model_vocabulary.json"), CL_2),
    (("model.onnx", "selected_tags.csv"), WD),
    (("model.onnx", "tags-selected.csv"), WD),
    (("model.onnx", "tags_info.csv"), WD),
    (("model.onnx", "tag_mapping.json"), CL),
    (("model_optimized.onnx", "tag_mapping.json"), CL),
    (("camie-tagger*.onnx", "camie-tagger*metadata.json"), CAMIE),
    (("model.onnx", "top_tags.txt"), JOYTAG),
    (("model.onnx", "tags.json"), PIXAI_1),
    (("ml_caformer*.onnx", "classes.json"), ML_DANBOORU),
    (("TResnet*.onnx", "classes.json"), ML_DANBOORU),
    (("deepdanbooru*.onnx", "tags.txt"), DEEPDANBOORU),
)
"""The files that identify each kind of tagger, model and tag list first: the most telling first."""
_WEIGHTS = (".data", "_data")
"""Endings of external weights behind the name of the model."""
_USUAL_SIDE = 448
_LISTS = ("test", "stages", "val")
"""Names of stage lists: for users first, that of training last."""
_LETTERBOX = {
    "image_size": "side",
    "pad_color_rgb": "background",
    "normalize_mean": "mean",
    "normalize_std": "std",
}
"""Keys of OppaiOracle's description -> fields of a record."""


def detect(names: Iterable[str]) -> Record | None:
    """Return the record of the kind of tagger with these file names, ``None`` for none."""
    found = sorted(names)
    for patterns, record in _LAYOUTS:
        matches = [[name for name in found if fnmatch(name, pattern)] for pattern in patterns]
        if all(matches):
            model, tags, *_ = (names[0] for names in matches)
            extra = tuple(name for name in found if name in (model + end for end in _WEIGHTS))
            sidecars = {
                name: file if file in found else ""
                for name, file in (("thresholds", record.thresholds),)
            }
            return record.model_copy(
                update={"model": model, "tags": tags, "extra": extra, **sidecars}
            )
    return None


def is_placed(record: Record, names: Iterable[str]) -> bool:
    """Return whether a record's files are among these names."""
    return {*record.files, *filter(None, (record.preprocess,))} <= set(names)


def record_in(folder: Path) -> Record | None:
    """Return the record written by the user, else the one inferred from the files; unresolved."""
    for name in RECORDS:
        if (folder / name).is_file():
            return read_record(folder / name)
    record = detect(path.name for path in folder.iterdir() if path.is_file())
    if record is not None and record.pixel_key() == "":
        shape = picture_input(folder / record.model)
        if shape is not None and shape.name == "pixel_values" and shape.side == PIXAI_1.side:
            files = {"model": record.model, "tags": record.tags, "extra": record.extra}
            return PIXAI_1.model_copy(update=files)
    return record


def resolved(record: Record, folder: Path) -> Record:
    """Return a record with what its file of preprocessing says.

    Raises:
        UserError: That file cannot be read, or has something unknown in it.
    """
    if not record.preprocess:
        return record
    file = folder / record.preprocess
    try:
        data = parse_json(read_text(file))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {reason_of(error)}.") from error
    if isinstance(data, dict) and _LETTERBOX.keys() & data.keys():
        return _letterbox(record, data, file)
    if isinstance(data, dict):
        data = next((data[name] for name in _LISTS if name in data), None)
    return _staged(record, understand(data, str(file)))


def _staged(record: Record, pipeline: Pipeline) -> Record:
    """Return a record with stages; as the plain fit that does the same, where there is one."""
    values = {"divide": pipeline.divide, "mean": pipeline.mean, "std": pipeline.std}
    match pipeline.pictures:
        case (
            Resize(
                size=(int(height), int(width)),
                interpolation="bicubic" | "bilinear" | "lanczos" as kernel,
                antialias=True | "warn",
            ),
        ) if height == width:
            side = 0 if height == _USUAL_SIDE else height
            values |= {"fit": "stretch", "kernel": kernel, "side": side}
        case pictures:
            values["stages"] = pictures
    return record.model_copy(update=values)


def _letterbox(record: Record, data: dict[str, Any], file: Path) -> Record:
    """Return a record with the values of OppaiOracle's description."""
    given = {field: data[key] for key, field in _LETTERBOX.items() if key in data}
    try:
        return Record.model_validate({**record.model_dump(exclude=set(given)), **given})
    except ValidationError as error:
        faults = "; ".join(describe_faults(error, Record))
        raise UserError(
            f"{file}: {faults}.", "Take the file from the model's repository."
        ) from error


def read_record(file: Path) -> Record:
    """Read a record written by a user.

    Raises:
        UserError: It is not valid TOML or JSON, or has faults; all of them are named.
    """
    try:
        text = read_text(file)
        data: Any = parse_json(text) if file.suffix == ".json" else parse_toml(text)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {reason_of(error)}.") from error
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(describe_faults(error, Record))
        raise UserError(
            f"{file}: {faults}", "Its keys: " + ", ".join(Record.model_fields)
        ) from error
