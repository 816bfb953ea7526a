"""Small ONNX taggers with the exact contracts of public ones: names, axes, inputs, outputs, files.

A model averages the picture over a grid of 4 x 4 and weighs that at random, so that every part of
the picture and every channel moves its answers.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

GRID = 4
Floats = NDArray[np.float64]
Row = tuple[str, int]
TAGS: tuple[Row, ...] = (
    ("general", 9),
    ("sensitive", 9),
    *((f"tag_{number}", 0) for number in range(20)),
    ("saber_(fate)", 4),
    ("fate", 3),
    ("some_painter", 1),
    ("highres", 5),
)


@dataclass(frozen=True)
class Graph:
    """A model.

    Attributes:
        side: Pixels of its input.
        input: Name of its input.
        outputs: Names of its outputs: what they are -> name; of ``logits``, ``probabilities`` and
            ``embedding``.
        first: Channels come first.
        mask: Name of the input that says what is padding.
        scale: What the mean of a patch is multiplied with before it is weighed.
        external: The weights are in a file of their own.
    """

    side: int
    input: str
    outputs: Mapping[str, str]
    first: bool = True
    mask: str = ""
    scale: float = 1.0
    external: bool = False

    def weights(self, tags: int) -> NDArray[np.float32]:
        """Return the weights: shape (3 * GRID * GRID, tags)."""
        rng = np.random.default_rng(tags)
        return rng.normal(0, 0.5, (3 * GRID * GRID, tags)).astype(np.float32)

    def logits(self, picture: Floats, padding: NDArray[np.bool_] | None, tags: int) -> Floats:
        """Compute its answer for one picture, channels first, without onnxruntime."""
        step = self.side // GRID
        patches = picture.reshape(3, GRID, step, GRID, step).mean((2, 4)).reshape(-1)
        found = patches * self.scale @ self.weights(tags).astype(np.float64)
        if padding is not None:
            found = found + padding.mean()
        return np.asarray(found)

    def save(self, file: Path, tags: int) -> None:
        """Write the model."""
        size = ["batch", 3, self.side, self.side]
        shape = size if self.first else [size[0], *size[2:], 3]
        inputs = [helper.make_tensor_value_info(self.input, TensorProto.FLOAT, shape)]
        step = self.side // GRID
        nodes = (
            [] if self.first else [_node("Transpose", [self.input], "planes", perm=[0, 3, 1, 2])]
        )
        source = self.input if self.first else "planes"
        nodes += [
            _node(
                "AveragePool", [source], "pooled", kernel_shape=[step, step], strides=[step, step]
            ),
            _node("Flatten", ["pooled"], "flat"),
            _node("Mul", ["flat", "scale"], "scaled"),
            _node("MatMul", ["scaled", "weights"], "weighed"),
        ]
        values = {
            "weights": self.weights(tags),
            "scale": np.array(self.scale, np.float32),
            "axes": np.array([1, 2], np.int64),
        }
        last = "weighed"
        if self.mask:
            axes = ["batch", self.side, self.side]
            inputs += [helper.make_tensor_value_info(self.mask, TensorProto.BOOL, axes)]
            nodes += [
                _node("Cast", [self.mask], "numbers", to=TensorProto.FLOAT),
                _node("ReduceMean", ["numbers", "axes"], "mean", keepdims=0),
                _node("Unsqueeze", ["mean", "last"], "column"),
                _node("Add", ["weighed", "column"], "masked"),
            ]
            values["last"] = np.array([1], np.int64)
            last = "masked"
        outputs = []
        makes = {"logits": ("Identity", last), "probabilities": ("Sigmoid", last)}
        for kind, name in self.outputs.items():
            operation, source = makes.get(kind, ("Identity", "scaled"))
            nodes += [_node(operation, [source], name)]
            width = 3 * GRID * GRID if kind == "embedding" else tags
            outputs += [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])]
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            "contract",
            inputs,
            outputs,
            [numpy_helper.from_array(value, key) for key, value in values.items() if key in used],
        )
        opset = helper.make_opsetid("", 18)
        model = helper.make_model(graph, ir_version=8, opset_imports=[opset])
        if self.external:
            onnx.save(
                model, file, save_as_external_data=True, location=f"{file.name}.data",
                size_threshold=0,
            )  # fmt: skip
        else:
            onnx.save(model, file)


def _node(operation: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(operation, inputs, [output], **attributes)


Writer = Callable[[Path], None]


def make(folder: Path, graph: Graph, *files: Writer, tags: int = len(TAGS)) -> Path:
    """Write a model and the files that belong to it."""
    folder.mkdir(parents=True)
    graph.save(folder / "model.onnx", tags)
    for write in files:
        write(folder)
    return folder


def table(rows: Sequence[tuple[Any, ...]] = TAGS, columns: Sequence[str] = ()) -> Writer:
    """Return what writes ``selected_tags.csv``, with more columns behind name and category."""

    def write(folder: Path) -> None:
        with (folder / "selected_tags.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", "tag_id", "name", "category", *columns))
            writer.writerows((n, 500 + n, *row) for n, row in enumerate(rows))

    return write


def text(name: str, content: object) -> Writer:
    """Return what writes a file: a text as it is, everything else as JSON."""
    written = content if isinstance(content, str) else json.dumps(content)

    def write(folder: Path) -> None:
        (folder / name).write_text(written, "utf-8")

    return write


NAMES = {0: "General", 1: "Artist", 3: "Copyright", 4: "Character", 5: "Meta", 9: "Rating"}
VOCABULARY = {
    "num_tags": len(TAGS),
    "idx_to_tag": {str(number): name for number, (name, _) in enumerate(TAGS)},
    "tag_to_category": {name: NAMES[category] for name, category in TAGS},
    "categories": sorted(NAMES.values()),
}


def grouped() -> dict[str, Any]:
    """Return the tags as PixAI v1.0's ``tags.json`` has them: by category, with offsets."""
    groups: list[dict[str, Any]] = []
    for number, (name, category) in enumerate(TAGS):
        kind = "style" if category == 1 else NAMES[category].lower()
        if not groups or groups[-1]["name"] != kind:
            groups.append({"name": kind, "offset": number, "count": 0, "tags": []})
        groups[-1]["tags"].append(name)
        groups[-1]["count"] += 1
    return {"num_classes": len(TAGS), "categories": groups}
