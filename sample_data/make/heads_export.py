"""Writes the trained head detector as `sample_data/heads/{model.onnx,labels.json,threshold.json}`.

It has the contract of YOLO models from version 8 on: `images` is batch x 3 x 320 x 320, red first,
0 to 1; `output0` has a column for each of 400 cells: middle, width and height of a box in pixels,
and a score.
"""

import json
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from sample_data.make.heads import CELLS, POOL, SIDE, STRIDE, HeadFinder, centres
from sample_data.make.tagger import Block
from sample_data.make.tagger_export import IR_VERSION, OPSET, Graph
from sample_data.make.training import SAMPLE_DATA, WORK

THRESHOLD = 0.5
"""Of 300 unseen drawings it finds all heads above this, and one thing that is none."""


class _Graph(Graph):
    """A graph whose convolutions keep their numbers in 16 bits, as those of the tagger."""

    def block(self, x: str, block: Block) -> str:
        """Append two convolutions around a shortcut."""
        hidden = self.node("Relu", self.convolution(x, block.first, block.norm))
        return self.node("Add", x, self.convolution(hidden, block.second))


def build(finder: HeadFinder) -> onnx.ModelProto:
    """Return the model, node by node."""
    graph = _Graph()
    x = graph.node("AveragePool", "images", kernel_shape=[POOL, POOL], strides=[POOL, POOL])
    x = graph.node("Mul", x, graph.weight(torch.tensor(2.0)))
    x = graph.node("Add", x, graph.weight(torch.tensor(-1.0)))
    for convolution in (finder.first, finder.second):
        x = graph.node("Relu", graph.convolution(x, convolution))
    for block in finder.blocks:
        assert isinstance(block, Block)
        x = graph.block(x, block)
    maps = graph.convolution(graph.node("Relu", x), finder.last)
    cells = graph.node("Reshape", maps, _numbers(graph, 0, 5, CELLS * CELLS))
    reach = graph.node("Mul", _rows(graph, graph.node("Softplus", cells), 0, 4), _scale(graph))
    near, far = _rows(graph, reach, 0, 2), _rows(graph, reach, 2, 4)
    at = graph.weight((centres() * POOL).reshape(1, -1, 2).transpose(1, 2))
    half = graph.node("Mul", graph.node("Sub", far, near), graph.weight(torch.tensor(0.5)))
    middle = graph.node("Add", at, half)
    size = graph.node("Add", near, far)
    score = graph.node("Sigmoid", _rows(graph, cells, 4, 5))
    graph.node("Concat", middle, size, score, name="output0", axis=1)
    side = SIDE * POOL
    ends = {"images": ["batch", 3, side, side], "output0": ["batch", 5, CELLS * CELLS]}
    shown = {k: helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in ends.items()}
    body = helper.make_graph(
        graph.nodes, "shikomi_demo_heads", [shown["images"]], [shown["output0"]], graph.weights
    )
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="shikomi"
    )
    helper.set_model_props(model, {"names": "{0: 'head'}", "imgsz": f"[{side}, {side}]"})
    return model


def _scale(graph: _Graph) -> str:
    return graph.weight(torch.tensor(float(STRIDE * POOL)))


def _numbers(graph: _Graph, *values: int) -> str:
    name = f"numbers_{len(graph.weights)}"
    graph.weights.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
    return name


def _rows(graph: _Graph, x: str, first: int, end: int) -> str:
    """Append a slice of rows; returns its output's name."""
    ends = (_numbers(graph, first), _numbers(graph, end), _numbers(graph, 1))
    return graph.node("Slice", x, *ends)


def export(folder: Path) -> None:
    """Write the model of the newest checkpoint's averaged weights, and what describes it."""
    finder = HeadFinder()
    finder.load_state_dict(torch.load(WORK / "heads.pt", weights_only=True)["average"])
    model = build(finder.eval())
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    (folder / "labels.json").write_text('["head"]\n', "utf-8")
    (folder / "threshold.json").write_text(json.dumps({"threshold": THRESHOLD}) + "\n", "utf-8")


if __name__ == "__main__":
    export(SAMPLE_DATA / "heads")
