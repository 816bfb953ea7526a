"""Detectors of a few kilobytes with the contract of the real ones, whose answers are plain to see.

Each answers with one box: that of the pixels that are red, in all three published forms.
"""

import json
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Form = Literal["yolo", "end-to-end", "rtdetr"]
SIDE = 64


class _Graph:
    """Collects nodes; each call returns the name of what it makes."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []

    def __call__(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        output = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def value(self, array: object, kind: type = np.float32) -> str:
        name = f"value_{len(self.values)}"
        self.values.append(numpy_helper.from_array(np.asarray(array, kind), name))
        return name


def make_detector(
    folder: Path,
    form: Form = "yolo",
    *,
    names: tuple[str, ...] = ("head",),
    head: int = 0,
    batch: int | str = "batch",
    side: int | str = SIDE,
    threshold: float | None = 0.5,
    labels: bool = True,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Write a detector of red things.

    Args:
        folder: Where to.
        form: Of its answers.
        names: What it finds.
        head: Which of them red things are.
        batch: First axis of its input.
        side: Height and width of its input.
        threshold: What it recommends; ``None`` for nothing.
        labels: Write the names beside it.
        metadata: What the exporter noted in the model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph = _Graph()
    edges, score = _red(graph)
    if form == "end-to-end":
        named = graph("Add", graph("Mul", score, graph.value(0)), graph.value(head))
        answer = graph("Unsqueeze", graph("Concat", *edges, score, named, axis=1), _axes(graph, 1))
    else:
        answer = _middles(graph, edges, score, names, head, form)
    graph("Identity", answer, name="output0")
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "red",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])],
            [helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)],
            graph.values,
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    helper.set_model_props(model, metadata or {})
    onnx.save(model, folder / "model.onnx")
    if labels:
        (folder / "labels.json").write_text(json.dumps(names), "utf-8")
    if threshold is not None:
        told = {"f1_score": 0.9, "threshold": threshold}
        (folder / "threshold.json").write_text(json.dumps(told), "utf-8")
    if form == "rtdetr":
        (folder / "model_type.json").write_text('{"model_type": "rtdetr"}', "utf-8")
    return folder


def _axes(graph: _Graph, *axes: int) -> str:
    return graph.value(axes, np.int64)


def _red(graph: _Graph) -> tuple[list[str], str]:
    """Return left, top, right and bottom of what is red, and how red it is, each (batch, 1)."""
    red, green, blue = (
        graph(
            "Squeeze", graph("Slice", "images", *(_axes(graph, n) for n in part)), _axes(graph, 1)
        )
        for part in ((0, 1, 1), (1, 2, 1), (2, 3, 1))
    )
    most = graph("Max", green, blue)
    mask = graph("Cast", graph("Greater", graph("Sub", red, most), graph.value(0.3)), to=1)
    low: dict[int, str] = {}
    high: dict[int, str] = {}
    for axis, other in ((2, 1), (1, 2)):  # columns, then rows
        line = graph("ReduceMax", mask, axes=[other], keepdims=0)
        first = graph("ArgMax", line, axis=1, keepdims=1)
        last = graph("ArgMax", line, axis=1, keepdims=1, select_last_index=1)
        low[axis] = graph("Cast", first, to=1)
        high[axis] = graph("Add", graph("Cast", last, to=1), graph.value(1))
    some = graph("ReduceMax", mask, axes=[1, 2], keepdims=0)
    score = graph("Mul", graph("Unsqueeze", some, _axes(graph, 1)), graph.value(0.9))
    return [low[2], low[1], high[2], high[1]], score


def _middles(
    graph: _Graph, edges: list[str], score: str, names: tuple[str, ...], head: int, form: Form
) -> str:
    left, top, right, bottom = edges
    half = graph.value(0.5)
    parts = [
        graph("Mul", graph("Add", left, right), half),
        graph("Mul", graph("Add", top, bottom), half),
        graph("Sub", right, left),
        graph("Sub", bottom, top),
    ]
    if form == "rtdetr":
        parts = [graph("Div", part, graph.value(SIDE)) for part in parts]
    nothing = graph("Mul", score, graph.value(0))
    parts += [score if number == head else nothing for number in range(len(names))]
    row = graph("Concat", *parts, axis=1)
    # The same box once more, less sure, and one that is sure of nothing.
    less = graph("Mul", row, graph.value([1.0] * 4 + [0.8] * len(names)))
    none = graph("Mul", row, graph.value([0.5] * 4 + [0.0] * len(names)))
    rows = [graph("Unsqueeze", each, _axes(graph, 1)) for each in (none, less, row)]
    table = graph("Concat", *rows, axis=1)
    return table if form == "rtdetr" else graph("Transpose", table, perm=[0, 2, 1])
