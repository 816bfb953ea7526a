"""Taggers of a few kilobytes with the contract of the real ones, whose answers are plain to see.

Each score is a weighted mean of the picture's blue, green and red (0 to 1) plus a constant.
"""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 32


class Tag(NamedTuple):
    name: str
    category: int
    blue: float = 0.0
    green: float = 0.0
    red: float = 0.0
    constant: float = 0.0


ODD_NAMES = (
    'don\'t_say_"lazy"',
    ";)",
    ">:(",
    "\\m/",
    "\\||/",
    ":d",
    "re:zero",
    "poster_(object)",
    "^_^",
    "<o>_<o>",
    "<|>_<|>",
)
TAGS = (
    Tag("general", 9, constant=0.6),
    Tag("sensitive", 9, red=0.9),
    Tag("questionable", 9, constant=0.01),
    Tag("explicit", 9),
    Tag("red_sky", 0, red=1.0),
    Tag("green_sky", 0, green=1.0),
    Tag("blue_sky", 0, blue=1.0),
    Tag("dark_room", 0, red=-1.0, green=-1.0, blue=-1.0, constant=1.0),
    *(Tag(name, 0, constant=0.1) for name in ODD_NAMES),
    Tag("red_(hero)", 4, red=0.9),
)


def make_tagger(
    folder: Path,
    *,
    tags: tuple[Tag, ...] = TAGS,
    batch: int | str = "batch_size",
    input_name: str = "input",
    shape: tuple[int | str, ...] = (SIDE, SIDE, 3),
    listed: tuple[Tag, ...] | None = None,
) -> Path:
    """Write model.onnx and selected_tags.csv; ``listed`` are the CSV's rows when they differ."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_model(tags, batch, input_name, shape), folder / "model.onnx")
    write_table(folder / "selected_tags.csv", tags if listed is None else listed)
    return folder


def write_table(path: Path, tags: tuple[Tag, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("tag_id", "name", "category", "count"))
        writer.writerows((9_000_000 + n, tag.name, tag.category, 600) for n, tag in enumerate(tags))


def _model(
    tags: tuple[Tag, ...], batch: int | str, input_name: str, shape: tuple[int | str, ...]
) -> onnx.ModelProto:
    weights = np.array([[t.blue, t.green, t.red] for t in tags], np.float32).T / 255
    constants = np.array([tag.constant for tag in tags], np.float32)
    axes, low, high = np.array([1, 2], np.int64), np.float32(0), np.float32(1)
    values = {"w": weights, "c": constants, "axes": axes, "low": low, "high": high}
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", [input_name, "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "w"], ["weighted"]),
            helper.make_node("Add", ["weighted", "c"], ["open"]),
            helper.make_node("Clip", ["open", "low", "high"], ["output"]),
        ],
        "tiny tagger",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, *shape])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [batch, len(tags)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    opset = helper.make_opsetid("", 18)
    return helper.make_model(graph, ir_version=8, opset_imports=[opset])
