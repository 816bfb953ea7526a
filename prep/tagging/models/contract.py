"""Inputs and outputs of a loaded ONNX model, checked against its record and tag list."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from prep.errors import UserError
from prep.tagging.models.records import RECORDS, Record

_SIDE = 448
"""Input side, pixels, of all public WD taggers; for exports that leave it open."""
_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


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
    """

    input: str
    output: str
    side: int
    batch: int
    channels_first: bool
    dtype: type[np.floating[Any]]


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
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
        raise _foreign(model, inputs)
    shape = list(inputs[0].shape)
    first = _channels_first(shape, record)
    if first is None or (not record.layout and first):
        raise _foreign(model, inputs)
    fixed = shape[2] if first else shape[1]
    if isinstance(fixed, int) and record.side and fixed != record.side and fixed > 0:
        raise UserError(
            f"{model} takes images of {fixed} pixels, but its record says {record.side}.",
            f"Correct side in {RECORDS[0]}, or remove it.",
        )
    side = fixed if isinstance(fixed, int) and fixed > 0 else record.side or _SIDE
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else 0
    output = _output(model, session, record, tags, table)
    return Contract(inputs[0].name, output, side, batch, first, _TYPES[inputs[0].type])


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
