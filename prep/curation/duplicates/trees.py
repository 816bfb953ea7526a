"""Boosted decision trees: a probability from the sum of many small trees.

A model is a JSON file: ``{"start": number, "trees": [node, …]}``, where a node is a number or
``[name, threshold, node up to the threshold, node above it]``.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class BoostedTrees:
    """A model that was read from a file."""

    def __init__(self, path: Path) -> None:
        """Read the model."""
        model = json.loads(path.read_text("utf-8"))
        self._start: float = model["start"]
        self._trees: list[Any] = model["trees"]

    def probability(self, values: Mapping[str, float]) -> float:
        """Return the probability, given the value of each name that the model uses."""
        total = self._start + sum(_value(tree, values) for tree in self._trees)
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, total))))


def _value(node: Any, values: Mapping[str, float]) -> float:
    while isinstance(node, list):
        name, threshold, low, high = node
        node = low if values[name] <= threshold else high
    return float(node)
