"""Records: declarative descriptions of a tagger's input format and outputs.

Public taggers do the same thing (image in, a score for each tag out) but differ in a dozen
details. A record holds these details as data, so that the same code runs all of them. Users
can describe their own tagger in a file ``tagger.toml`` or ``tagger.json`` beside the model;
its keys are the fields below.
"""

import json
from collections.abc import Callable
from typing import Literal

from pydantic import Field

from prep.language import marked
from prep.project.tagger import ByCategory
from prep.section import Section
from prep.tagging.models.stages import PictureStage

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
    preprocess: str = ""
    """A file beside the model that describes its preprocessing: ``preprocess.json`` with the stages
    of deepghs's timm models, or ``preprocessing.json`` of OppaiOracle. It replaces what is said
    here."""
    thresholds: str = ""
    """A file beside the model with recommended thresholds: a CSV by category, or JSON by tag."""
    skip: tuple[int, ...] = ()
    """Outputs that are not tags, such as padding; counted from 0."""
    fit: Literal["pad", "letterbox", "stretch", "short"] = "pad"
    """pad: pad to a square, then scale; letterbox: scale, then pad to a square; stretch: scale both
    sides to the model's; short: scale the shorter side to the model's, keeping the aspect ratio."""
    background: tuple[int, int, int] = (255, 255, 255)
    """Colour of the padding: red, green, blue, 0 to 255."""
    kernel: Literal["bicubic", "bilinear", "lanczos"] = "bicubic"
    """Interpolation."""
    side: int = Field(0, ge=0, le=4096)
    """Input width and height, pixels; 0: from the model, or 448 if it leaves that open."""
    rounding: Literal["floor", "truncate", "round"] = "floor"
    """How fit = letterbox computes the scaled sides. floor: side x pixels / longest, rounded down;
    truncate: pixels x (side / longest), a floating-point factor, rounded down; round: the same,
    to the nearest pixel."""
    exact: bool = False
    """With fit = letterbox: scale in floating point, without rounding to 256 levels."""
    stages: tuple[PictureStage, ...] = ()
    """Steps that replace fit, background and kernel; see ``prep.tagging.models.stages``."""
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
    mask: str = ""
    """Name of a second input: for each pixel, whether it is padding."""
    output: str = ""
    """Name of the output with the scores; if empty, the one with a score for each tag."""
    embedding: str = ""
    """Name of the output with features of the picture; if empty, one that is called so."""
    logits: bool = False
    """The outputs are logits; a sigmoid turns them into scores."""
    general: float | None = Field(None, ge=0.0, le=1.0)
    """Recommended threshold of general tags."""
    character: float | None = Field(None, ge=0.0, le=1.0)
    """Recommended threshold of character tags."""
    categories: ByCategory = Field(default_factory=dict)
    """Recommended thresholds of other categories."""
    omit: tuple[str, ...] = ()
    """Categories that are left out of captions, unless a threshold is set for them."""
    point: str = ""
    """What the recommended thresholds are, for people: the operating point."""

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are needed to run it."""
        return (self.model, self.tags, *self.extra)

    @property
    def sidecars(self) -> tuple[str, ...]:
        """Files that describe it."""
        return tuple(filter(None, (self.preprocess, self.thresholds)))

    def pixel_key(self) -> str:
        """Return a string that differs if scores may differ; empty for the format of WD taggers."""
        given = self.model_dump(exclude=_NO_PIXELS, exclude_defaults=True)
        return json.dumps(given, sort_keys=True) if given else ""

    def within(self, folder: str) -> "Record":
        """Return the record with its files in a folder of a repository."""
        return self._moved(lambda file: f"{folder}/{file}")

    def without_folder(self) -> "Record":
        """Return the record with its files beside each other."""
        return self._moved(lambda file: file.rpartition("/")[2])

    def _moved(self, place: Callable[[str], str]) -> "Record":
        names = {name: getattr(self, name) for name in ("model", "tags", *_SIDECARS)}
        moved = {name: place(file) for name, file in names.items() if file}
        return self.model_copy(update={**moved, "extra": tuple(map(place, self.extra))})


ADVICE = ("general", "character", "categories", "omit", "point")
"""What a record recommends."""
_SIDECARS = ("preprocess", "thresholds")
_NO_PIXELS = {"model", "tags", "extra", "embedding", *ADVICE, *_SIDECARS}


WD = Record()
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CLIP_COLOURS = {
    "mean": (0.48145466, 0.4578275, 0.40821073),
    "std": (0.26862954, 0.26130258, 0.27577711),
}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}

POINT = marked("precision = recall")

CANARY = Record(layout="NCHW", divide=255, general=0.6094, character=0.85, point=POINT, **HALF)
"""A timm export of a WD tagger: as WD, but scaled, with channels first."""
CL = Record(
    tags="tag_mapping.json",
    layout="NCHW",
    divide=255,
    logits=True,
    general=0.55,
    character=0.55,
    **HALF,
)
CL_2 = Record(
    tags="model_vocabulary.json",
    extra=("model.onnx.data",),
    fit="stretch",
    kernel="bilinear",
    side=384,
    channels="RGB",
    layout="NCHW",
    divide=255,
    output="logits",
    logits=True,
    general=0.55,
    character=0.55,
    omit=("meta",),
    **HALF,
)
"""Scaled straight to a square, as its model card says, with the kernel of SigLIP 2."""
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
PIXAI_1 = Record(
    fit="letterbox",
    background=(0, 0, 0),
    kernel="bilinear",
    side=1008,
    rounding="truncate",
    exact=True,
    channels="RGB",
    layout="NCHW",
    divide=255,
    logits=True,
    general=0.17,
    character=0.27,
    categories={"copyright": 0.24, "artist": 0.15, "meta": 0.17},
    omit=("artist", "meta"),
    point=marked("best F1 of each category"),
    **HALF,
)
"""It calls the category of artists style."""
TIMM = Record(
    preprocess="preprocess.json",
    thresholds="thresholds.csv",
    channels="RGB",
    layout="NCHW",
    output="prediction",
    general=0.4,
    character=0.4,
    point=marked("best F1 of each tag"),
)
"""The timm models of animetimm: thresholds of tags stand in their tag lists."""
OPPAI = Record(
    preprocess="preprocessing.json",
    thresholds="pr_thresholds.json",
    skip=(0, 1),
    fit="letterbox",
    background=(114, 114, 114),
    kernel="lanczos",
    rounding="round",
    channels="RGB",
    layout="NCHW",
    divide=255,
    mask="padding_mask",
    output="probabilities",
    general=0.7927,
    character=0.7927,
    point=marked("precision = recall of each tag"),
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
    point=marked("micro-optimal: best F1 over all tags (macro-optimal: 0.492)"),
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
