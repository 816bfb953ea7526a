"""Stand-ins for what cannot be here: a WD tagger of some size, and an accelerator."""

import csv
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ACCELERATOR_MS = 50.0
"""Per image: a middling GPU with a large WD tagger."""
_TAGS = 10_861
_PATCHES = 28 * 28


def gigaflop(width: int, blocks: int) -> float:
    """Return what a stand-in costs per image: two operations for each weight and patch."""
    weights = width * 3 * 16 * 16 + blocks * 4 * width * width
    return 2 * (weights * _PATCHES + width * _TAGS) / 1e9


def make_tagger(folder: Path, width: int = 384, blocks: int = 9) -> Path:
    """Write a tagger with the contract of WD v3 and random weights.

    Patches of 16 x 16 and then dense layers per patch, as in a vision transformer without its
    attention. With the defaults it costs 9 GFLOP per image; public WD taggers 12 to 120 and more.

    Args:
        folder: Is made.
        width: Channels.
        blocks: Pairs of dense layers.
    """
    rng = np.random.default_rng(0)
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "patch"], ["x0"], strides=[16, 16]),
    ]
    weights = {"patch": rng.normal(0, 1e-4, (width, 3, 16, 16))}
    for block in range(blocks):
        for part, shape in (("up", (width * 2, width, 1, 1)), ("down", (width, width * 2, 1, 1))):
            weights[f"{part}{block}"] = rng.normal(0, 0.05, shape)
        nodes += [
            helper.make_node("Conv", [f"x{block}", f"up{block}"], [f"u{block}"]),
            helper.make_node("Relu", [f"u{block}"], [f"r{block}"]),
            helper.make_node("Conv", [f"r{block}", f"down{block}"], [f"x{block + 1}"]),
        ]
    weights["head"] = rng.normal(0, 0.01, (width, _TAGS))
    nodes += [
        helper.make_node("GlobalAveragePool", [f"x{blocks}"], ["pooled"]),
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

    def __init__(self, tags: int, milliseconds: float = ACCELERATOR_MS) -> None:
        """Answer with this many zeros, after this time for each image."""
        self.busy = 0.0
        self._one = threading.Lock()
        self._tags, self._seconds = tags, milliseconds / 1000

    def run(self, _: object, inputs: dict[str, Any]) -> list[Any]:
        """Sleep for each image of the batch."""
        (batch,) = inputs.values()
        with self._one:  # as runs on a card do
            start = time.perf_counter()
            time.sleep(len(batch) * self._seconds)
            self.busy += time.perf_counter() - start
        return [np.zeros((len(batch), self._tags), np.float32)]
