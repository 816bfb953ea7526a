"""Stand-ins for what cannot be here: a WD tagger of some size, and an accelerator."""

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ACCELERATOR_MS = 50.0
"""Per image: a middling GPU with a large WD tagger."""
_TAGS = 10_861
_WIDTH = 384
_BLOCKS = 9


def make_tagger(folder: Path) -> Path:
    """Write a tagger with the contract of WD v3 and random weights: some 5 GFLOP per image.

    Patches of 16 x 16 and then dense layers per patch, as in a vision transformer without its
    attention; the smallest public WD tagger costs about ten times as much.
    """
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "patch"], ["x0"], strides=[16, 16]),
    ]
    weights = {"patch": rng.normal(0, 1e-4, (_WIDTH, 3, 16, 16))}
    for block in range(_BLOCKS):
        for part, shape in (
            ("up", (_WIDTH * 2, _WIDTH, 1, 1)),
            ("down", (_WIDTH, _WIDTH * 2, 1, 1)),
        ):
            weights[f"{part}{block}"] = rng.normal(0, 0.05, shape)
        nodes += [
            helper.make_node("Conv", [f"x{block}", f"up{block}"], [f"u{block}"]),
            helper.make_node("Relu", [f"u{block}"], [f"r{block}"]),
            helper.make_node("Conv", [f"r{block}", f"down{block}"], [f"x{block + 1}"]),
        ]
    weights["head"] = rng.normal(0, 0.01, (_WIDTH, _TAGS))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{_BLOCKS}"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "head"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stand-in",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch_size", 448, 448, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch_size", _TAGS])],
        [numpy_helper.from_array(value.astype(np.float32), key) for key, value in weights.items()],
    )
    folder.mkdir()
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[opset]), folder / "model.onnx")
    _write_table(folder / "selected_tags.csv")
    return folder


def _write_table(path: Path) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("tag_id", "name", "category", "count"))
        writer.writerows((n, f"tag_{n}", 9 if n < 4 else 0, 1) for n in range(_TAGS))


class Accelerator:
    """A session that only takes time, and notes how long it was at work."""

    def __init__(self, tags: int) -> None:
        """Answer with this many zeros."""
        self.busy = 0.0
        self._tags = tags

    def run(self, _: object, inputs: dict[str, Any]) -> list[Any]:
        """Sleep for each image of the batch."""
        (batch,) = inputs.values()
        start = time.perf_counter()
        time.sleep(len(batch) * ACCELERATOR_MS / 1000)
        self.busy += time.perf_counter() - start
        return [np.zeros((len(batch), self._tags), np.float32)]
