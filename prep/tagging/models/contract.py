"""Inputs and outputs of a loaded ONNX model, checked against its record and tag list."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prep.errors import UserError
from prep.tagging.models.records import RECORDS, Record
from prep.tagging.models.stages import output_size

_SIDE = 448
"""Input side, pixels, of all public WD taggers; for exports that leave it open."""
_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


_FEATURES = ("embedding", "embeddings", "features")
"""Names of outputs with features of a picture."""


@dataclass(frozen=True)
class Contract:
    """How to run a model.

    Attributes:
        input: Name of its input.
        output: Name of the output with the scores.
        side: Width and height of the input, pixels.
        batch: Images per run if the model fixes it, else 0.
        channels_first: Axes are batch, channels, height, width.
        dtype: float32 or float16.
        mask: Name of the input that says which pixels are padding; empty for none.
        embedding: Name of the output with features of the picture; empty for none.
    """

    input: str
    output: str
    side: int
    batch: int
    channels_first: bool
    dtype: type[np.floating[Any]]
    mask: str = ""
    embedding: str = ""


def read_contract(model: Path, session: Any, record: Record, tags: int, table: str) -> Contract:
    """Determine how to run a loaded model.

    Args:
        model: Its file, for error messages.
        session: From onnxruntime.
        record: Its declared input format.
        tags: Number of tags in its list.
        table: Name of that list, for error messages.

    Raises:
        UserError: It is not a tagger, or of another kind, or the tag list belongs to another model.
    """
    inputs = session.get_inputs()
    pictures = [one for one in inputs if len(one.shape) == 4 and one.type in _TYPES]
    masks = [one for one in inputs if record.mask and _is_mask(one, record.mask)]
    if len(pictures) != 1 or len(inputs) != 1 + bool(record.mask) or len(masks) != len(inputs) - 1:
        raise _foreign(model, inputs)
    picture = pictures[0]
    shape = list(picture.shape)
    first = _channels_first(shape, record)
    if first is None or (not record.layout and first):
        raise _foreign(model, inputs)
    side = _side(model, shape[2:] if first else shape[1:3], record)
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
    output = _output(model, session, record, tags, table)
    embedding = _embedding(session, record, tags, output)
    mask = record.mask if masks else ""
    dtype = _TYPES[picture.type]
    return Contract(picture.name, output, side, batch, first, dtype, mask, embedding)


def _is_mask(one: Any, name: str) -> bool:
    return bool(one.name == name and len(one.shape) == 3 and one.type == "tensor(bool)")


def _side(model: Path, axes: list[Any], record: Record) -> int:
    """Return the height of the input, checked against what the record makes."""
    fixed = [axis if isinstance(axis, int) and axis > 0 else 0 for axis in axes]
    made = output_size(record.stages) if record.stages else (record.side, record.side)
    width, height = made or (0, 0)
    if any(
        have and want and have != want for have, want in zip(fixed, (height, width), strict=True)
    ):
        said = f"{width} x {height}" if width != height else f"{height}"
        source = record.preprocess or "its record"
        raise UserError(
            f"{model} takes images of {fixed[0]} pixels, but {source} says {said}.",
            f"Correct side in {RECORDS[0]}, or remove it."
            if not record.preprocess
            else "The two files belong to different models: take both from the same place.",
        )
    return fixed[0] or height or _SIDE


def _embedding(session: Any, record: Record, tags: int, scores: str) -> str:
    """Return the name of the output with features, if there is one."""
    others = [
        out
        for out in session.get_outputs()
        if out.name != scores
        and out.type in _TYPES
        and len(out.shape) == 2
        and isinstance(out.shape[1], int)
        and out.shape[1] != tags
    ]
    wanted = (record.embedding,) if record.embedding else _FEATURES
    named = [out.name for out in others if out.name.casefold() in wanted or out.name in wanted]
    if named or record.embedding:
        return str(named[0]) if named else ""
    # Exports that give features without a name of their own have just these two outputs.
    return str(others[0].name) if len(others) == 1 and len(session.get_outputs()) == 2 else ""


def wrong_number(model: Path, outputs: int, tags: int, table: str) -> UserError:
    """Return the error for a tag list that belongs to another model."""
    return UserError(
        f"{model} has {outputs:,} outputs, but {table} lists {tags:,} tags.",
        "The two files belong to different taggers: take both from the same place.",
    )


def first_line(error: BaseException) -> str:
    """Return the message of onnxruntime without its decoration."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", line)


def _channels_first(shape: list[Any], record: Record) -> bool | None:
    """Determine the order of the axes; ``None`` if shape and record contradict each other."""
    said = {"NCHW": True, "NHWC": False}.get(record.layout)
    seen = True if shape[1] == 3 else False if shape[3] == 3 else None
    if said is None or seen is None:
        return seen if said is None else said
    return said if said == seen else None


def _output(model: Path, session: Any, record: Record, tags: int, table: str) -> str:
    """Return the name of the output that has a score for each tag."""
    outputs = session.get_outputs()
    if record.output and len(outputs) > 1:
        outputs = [out for out in outputs if out.name == record.output] or outputs
    fitting = [out for out in outputs if out.shape and out.shape[-1] == tags]
    if fitting:
        return str(fitting[-1].name)
    open_ones = [out for out in outputs if not (out.shape and isinstance(out.shape[-1], int))]
    if open_ones:
        return str(open_ones[0].name)
    raise wrong_number(model, outputs[0].shape[-1], tags, table)


def _foreign(model: Path, inputs: list[Any]) -> UserError:
    found = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs)
    return UserError(
        f"{model} is not a WD tagger: it takes {found or 'nothing'}.",
        "A WD tagger takes one tensor(float) of batch x side x side x 3; describe another kind in"
        f" {RECORDS[0]} beside it (docs/topics/tagging-models.md).",
    )
