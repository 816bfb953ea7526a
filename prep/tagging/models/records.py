"""Records: declarative descriptions of a tagger's input format and outputs.

Public taggers do the same thing (image in, a score for each tag out) but differ in a dozen
details. A record holds these details as data, so that the same code runs all of them. Users
can describe their own tagger in a file ``tagger.toml`` or ``tagger.json`` beside the model;
its keys are the fields below.
"""

import json
import tomllib
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from prep.errors import UserError
from prep.project import describe_faults
from prep.section import Section

MODEL, TABLE = "model.onnx", "selected_tags.csv"
"""The files of a WD tagger."""
RECORDS = ("tagger.toml", "tagger.json")
"""File names of records written by users."""

Channels = tuple[float, float, float]


class Record(Section):
    """The input format and outputs of a tagger; the defaults are those of WD taggers."""

    model: str = MODEL
    """The model's file."""
    tags: str = TABLE
    """The list of tags: a CSV with name and category, JSON, or one tag per line."""
    extra: tuple[str, ...] = ()
    """Other files that the model needs beside it, such as external weights."""
    fit: Literal["pad", "letterbox", "stretch", "short"] = "pad"
    """pad: pad to a square, then scale; letterbox: scale, then pad to a square; stretch: scale both
    sides to the model's; short: scale the shorter side to the model's, keeping the aspect ratio."""
    background: tuple[int, int, int] = (255, 255, 255)
    """Colour of the padding: red, green, blue, 0 to 255."""
    kernel: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    """Interpolation."""
    side: int = Field(0, ge=0, le=4096)
    """Input width and height, pixels; 0: from the model, or 448 if it leaves that open."""
    multiple: int = Field(4, ge=1, le=256)
    """With fit = short, both sides are rounded down to a multiple of this."""
    channels: Literal["BGR", "RGB"] = "BGR"
    """Order of the colour channels."""
    layout: Literal["", "NHWC", "NCHW"] = ""
    """Order of the axes; if empty, from the shape of the model's input."""
    divide: float = Field(1.0, gt=0)
    """Values, 0 to 255, are divided by this first."""
    mean: Channels = (0.0, 0.0, 0.0)
    """Then this is subtracted, per channel in the order of ``channels``."""
    std: Channels = (1.0, 1.0, 1.0)
    """Then values are divided by this."""
    output: str = ""
    """Name of the output with the scores; if empty, the one with a score for each tag."""
    logits: bool = False
    """The outputs are logits; a sigmoid turns them into scores."""
    general: float | None = Field(None, ge=0.0, le=1.0)
    """Recommended threshold of general tags."""
    character: float | None = Field(None, ge=0.0, le=1.0)
    """Recommended threshold of character tags."""

    @property
    def files(self) -> tuple[str, ...]:
        """All required files."""
        return (self.model, self.tags, *self.extra)

    def pixel_key(self) -> str:
        """Return a string that differs if scores may differ; empty for the format of WD taggers."""
        given = self.model_dump(
            exclude={"model", "tags", "extra", "general", "character"}, exclude_defaults=True
        )
        return json.dumps(given, sort_keys=True) if given else ""


WD = Record()
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP_COLOURS = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

CL = Record(
    tags="tag_mapping.json",
    layout="NCHW",
    divide=255,
    logits=True,
    general=0.55,
    character=0.55,
    **HALF,
)
PIXAI = Record(
    fit="stretch",
    kernel="bilinear",
    channels="RGB",
    layout="NCHW",
    divide=255,
    output="prediction",
    general=0.3,
    character=0.85,
    **HALF,
)
CAMIE = Record(
    model="camie-tagger-v2.onnx",
    tags="camie-tagger-v2-metadata.json",
    fit="letterbox",
    background=(124, 116, 104),
    kernel="lanczos",
    side=512,
    channels="RGB",
    layout="NCHW",
    divide=255,
    output="refined_predictions",
    logits=True,
    general=0.61,
    character=0.61,
    **IMAGENET,
)
ML_DANBOORU = Record(
    model="ml_caformer_m36_dec-5-97527.onnx",
    tags="classes.json",
    fit="short",
    kernel="bilinear",
    channels="RGB",
    layout="NCHW",
    divide=255,
    logits=True,
    general=0.7,
    character=0.7,
)
JOYTAG = Record(
    tags="top_tags.txt",
    channels="RGB",
    layout="NCHW",
    divide=255,
    logits=True,
    general=0.4,
    character=0.4,
    **CLIP_COLOURS,
)
DEEPDANBOORU = Record(
    model="deepdanbooru.onnx",
    tags="tags.txt",
    fit="letterbox",
    background=(0, 0, 0),
    side=512,
    channels="RGB",
    layout="NHWC",
    divide=255,
    general=0.5,
    character=0.5,
)

_LAYOUTS: tuple[tuple[str, str, Record], ...] = (
    ("model.onnx", "selected_tags.csv", WD),
    ("model.onnx", "tags-selected.csv", WD),
    ("model.onnx", "tag_mapping.json", CL),
    ("model_optimized.onnx", "tag_mapping.json", CL),
    ("camie-tagger*.onnx", "camie-tagger*metadata.json", CAMIE),
    ("model.onnx", "top_tags.txt", JOYTAG),
    ("ml_caformer*.onnx", "classes.json", ML_DANBOORU),
    ("TResnet*.onnx", "classes.json", ML_DANBOORU),
    ("deepdanbooru*.onnx", "tags.txt", DEEPDANBOORU),
)
"""The files that identify each kind of tagger, best known first."""


def detect(names: Iterable[str]) -> Record | None:
    """Return the record of the kind of tagger with these file names, ``None`` for none."""
    found = sorted(names)
    if {"preprocess.json", "thresholds.csv", MODEL, TABLE} <= set(found):
        return PIXAI
    for model, tags, record in _LAYOUTS:
        models = [name for name in found if fnmatch(name, model)]
        lists = [name for name in found if fnmatch(name, tags)]
        if models and lists:
            extra = tuple(name for name in found if name == f"{models[0]}.data")
            return record.model_copy(update={"model": models[0], "tags": lists[0], "extra": extra})
    return None


def read_record(file: Path) -> Record:
    """Read a record written by a user.

    Raises:
        UserError: It is not valid TOML or JSON, or has faults; all of them are named.
    """
    try:
        text = file.read_text("utf-8-sig")
        data: Any = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read: {error}.") from error
    try:
        return Record.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(describe_faults(error, Record))
        raise UserError(
            f"{file}: {faults}", "Its keys: " + ", ".join(Record.model_fields)
        ) from error
