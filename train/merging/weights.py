"""The weights of a base model as a single file holds them, read and changed one at a time."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from prep.errors import UnreadableError
from train.checkpoints.building import component_view
from train.checkpoints.names import Copy
from train.checkpoints.single_file import as_tensor
from train.families.base_model import BaseModel
from train.lora.streaming import StoredTensor
from train.networks.model_file import checkpoint_tensors, copies_in_file
from train.networks.saved import stored

Edit = Callable[[Tensor], Tensor]
"""From a weight, fp32, to what is added to it."""


class ModelWeights:
    """The weights of a model; of a single file, no more than one is in memory."""

    def __init__(self, base: BaseModel) -> None:
        """Find out where each weight is.

        Raises:
            UnreadableError: The model's file is another one by now.
        """
        self.table = base.key_table()
        self._tensors = checkpoint_tensors(base)
        self._copies: dict[tuple[str, str], Copy] = {}
        for component in ("unet", *base.text_encoders):
            paths = {module.path for module in self.table.values() if module.part == component}
            names = [f"{path}.{leaf}" for path in paths for leaf in ("weight", "bias")]
            for copy in copies_in_file(base, component, names):
                self._copies[component, copy.target] = copy

    def read(self, module: str) -> Tensor:
        """Return the weight of a module, which is named as in LoRA files, in fp32."""
        copy = self._copy(module, "weight")
        return component_view(_tensor(self._tensors[copy.source]), copy.change).float()

    def has_bias(self, module: str) -> bool:
        """Return whether a module has a bias that can be changed."""
        place = self.table[module]
        return (place.part, f"{place.path}.bias") in self._copies

    def changed(self, edits: Mapping[tuple[str, str], Edit]) -> dict[str, StoredTensor]:
        """Return all tensors of the model; the edited ones are changed when they are written.

        Args:
            edits: By the module and its leaf, ``weight`` or ``bias``.
        """
        steps: dict[str, list[tuple[Copy, Edit]]] = {}
        for (module, leaf), edit in edits.items():
            copy = self._copy(module, leaf)
            steps.setdefault(copy.source, []).append((copy, edit))
        found = dict(self._tensors)
        for name, own in steps.items():
            found[name] = replace(found[name], read=partial(_edited, name, found[name], own))
        return found

    def _copy(self, module: str, leaf: str) -> Copy:
        place = self.table[module]
        return self._copies[place.part, f"{place.path}.{leaf}"]


def _tensor(plain: StoredTensor) -> Tensor:
    return as_tensor(plain.dtype, plain.shape, bytearray(plain.read()))


def _edited(name: str, plain: StoredTensor, steps: list[tuple[Copy, Edit]]) -> bytes | memoryview:
    """Return the bytes of a tensor with its changes, in its own type.

    Raises:
        UnreadableError: It would not be finite any more.
    """
    before = _tensor(plain)
    exact = before.float().clone()
    for copy, edit in steps:
        view = component_view(exact, copy.change)
        view += edit(view)
    after = exact.to(before.dtype)
    if not torch.isfinite(after).all():
        raise UnreadableError(
            f"{name} would have weights that are NaN, infinite, or too large for {plain.dtype}.",
            "Lower the strengths.",
        )
    return stored(after).read()
