"""Writes the trained tagger as `sample_data/tagger/{model.onnx,selected_tags.csv}`.

The graph is written out node by node: it needs no exporter, keeps its names in every version of
PyTorch, and reads as a description of the model. Batch norms are folded into the convolutions
before them where there is one.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from sample_data.make.tag_table import rows, write
from sample_data.make.tagger import POOL, SIDE, Block, Tagger
from sample_data.make.training import SAMPLE_DATA, WORK

OPSET = 17
IR_VERSION = 8  # what onnxruntime 1.17 and older understand


class Graph:
    """Collects nodes and weights; each method appends and returns its output's name."""

    def __init__(self) -> None:
        """Start empty."""
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: object) -> str:
        """Append one node."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def weight(self, values: torch.Tensor | npt.NDArray[np.float32]) -> str:
        """Append a constant, stored in 16 bits (half the file) and widened when loaded."""
        name = f"weight_{len(self.weights)}"
        array = np.asarray(values, np.float16)
        self.weights.append(numpy_helper.from_array(array, name))
        return self.node("Cast", name, to=TensorProto.FLOAT)

    def convolution(self, x: str, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None) -> str:
        """Append a convolution with the batch norm after it folded in."""
        weight = conv.weight
        bias = conv.bias if conv.bias is not None else torch.zeros(len(weight))
        if norm is not None:
            scale, shift = affine(norm)
            weight, bias = weight * scale.view(-1, 1, 1, 1), bias * scale + shift
        return self.node(
            "Conv",
            x,
            self.weight(weight.detach()),
            self.weight(bias.detach()),
            pads=[1, 1, 1, 1],
            strides=list(conv.stride),
        )


def affine(norm: nn.BatchNorm2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the scale and shift that a batch norm amounts to after training."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    return scale, norm.bias - norm.running_mean * scale


def _features(graph: Graph, x: str, layers: nn.Sequential) -> str:
    for layer in layers:
        if isinstance(layer, nn.Sequential):
            conv, norm, _ = layer
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            x = graph.node("Relu", graph.convolution(x, conv, norm))
        elif isinstance(layer, Block):
            hidden = graph.node("Relu", graph.convolution(x, layer.first, layer.norm))
            x = graph.node("Add", x, graph.convolution(hidden, layer.second))
        elif isinstance(layer, nn.BatchNorm2d):
            scale, shift = (graph.weight(v.detach().view(1, -1, 1, 1)) for v in affine(layer))
            x = graph.node("Add", graph.node("Mul", x, scale), shift)
        else:
            x = graph.node("Relu", x)
    return x


def build(tagger: Tagger) -> onnx.ModelProto:
    """Return the model: `input` is batch x 448 x 448 x 3 BGR 0-255, `output` probabilities."""
    graph = Graph()
    x = graph.node("Transpose", "input", perm=[0, 3, 1, 2])
    x = graph.node("AveragePool", x, kernel_shape=[POOL, POOL], strides=[POOL, POOL])
    x = graph.node("Mul", x, graph.weight(np.array(1 / 127.5, np.float32)))
    x = graph.node("Add", x, graph.weight(np.array(-1, np.float32)))
    x = _features(graph, x, tagger.features)
    pools = [graph.node(kind, x) for kind in ("GlobalAveragePool", "GlobalMaxPool")]
    x = graph.node("Flatten", graph.node("Concat", *pools, axis=1))
    head = (graph.weight(tagger.head.weight.detach()), graph.weight(tagger.head.bias.detach()))
    graph.node("Sigmoid", graph.node("Gemm", x, *head, transB=1), name="output")
    side, outputs = SIDE * POOL, tagger.head.out_features
    shapes = {"input": ["batch_size", side, side, 3], "output": ["batch_size", outputs]}
    ends = {k: helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()}
    body = helper.make_graph(
        graph.nodes, "shikomi_demo_tagger", [ends["input"]], [ends["output"]], graph.weights
    )
    opsets = [helper.make_opsetid("", OPSET)]
    return helper.make_model(
        body, opset_imports=opsets, ir_version=IR_VERSION, producer_name="shikomi"
    )


def export(folder: Path) -> None:
    """Write model and table of the newest checkpoint's averaged weights."""
    table = rows()
    tagger = Tagger(len(table))
    tagger.load_state_dict(torch.load(WORK / "tagger.pt", weights_only=True)["average"])
    model = build(tagger.eval())
    onnx.checker.check_model(model, full_check=True)
    folder.mkdir(exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    write(folder / "selected_tags.csv", table)


if __name__ == "__main__":
    export(SAMPLE_DATA / "tagger")
