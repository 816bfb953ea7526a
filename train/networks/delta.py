"""Changes of weights that are computed from a file's tensors: all algorithms that are not trained.

The change of a module's weight is computed anew in each call, in fp32: it takes less time than the
module itself, and whole changes would take as much memory as the model.

Sources: LyCORIS (Yeh et al. 2023, LoHa, LoKr, Tucker cores), DoRA (Liu et al. 2024). DoRA is
normalised by the norm of the changed weight, as in LyCORIS, PEFT and A1111.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from train.lora.algorithms import APPLIED, LORA, Algorithm
from train.networks.base import Adapter, copy_exactly
from train.networks.layers import applied

Tensors = Mapping[str, Tensor]
MAGNITUDES = ("dora_scale", "lora_magnitude_vector")
"""Leaves of DoRA, whose change depends on the weight itself."""


class DeltaModule(Adapter):
    """What a file adds to one module."""

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]] = tuple(a for a in APPLIED if a is not LORA)

    def __init__(self, base: nn.Module, tensors: Tensors) -> None:
        super().__init__()
        self._base = (base,)  # in a tuple: the model's module is not part of this one
        self._leaves = tuple(tensors)
        for index, tensor in enumerate(tensors.values()):
            self.register_buffer(f"tensor{index}", tensor.clone())

    @classmethod
    def of_file(cls, base: nn.Module, tensors: Tensors) -> "DeltaModule":
        """As ``Adapter.of_file``."""
        return cls(base, tensors)

    def file_tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.file_tensors``."""
        return {leaf: tensor.detach().cpu() for leaf, tensor in self._tensors().items()}

    def load(self, tensors: Tensors) -> None:
        """As ``Adapter.load``."""
        for leaf, own in self._tensors().items():
            copy_exactly(own, tensors[leaf], leaf)

    def _tensors(self) -> dict[str, Tensor]:
        return {leaf: self.get_buffer(f"tensor{i}") for i, leaf in enumerate(self._leaves)}

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output, at strength 1."""
        base: Any = self._base[0]
        tensors = self._tensors()
        with torch.no_grad():
            change = weight_change(tensors, base.weight.float())
            bias = bias_change(tensors)
            change = change.to(x.dtype)
            bias = None if bias is None else bias.to(x.dtype)
        return applied(base, x, change, bias)


def weight_change(tensors: Tensors, weight: Tensor) -> Tensor:
    """Return the change of a weight that the tensors of its module stand for.

    Args:
        tensors: By leaf; they fit the weight.
        weight: Of the base model, in fp32: (out, in), (out, in, k, k), or (n,) of a norm.

    Returns:
        Shaped as ``weight``, in fp32.
    """
    change = _plain_change(tensors, weight)
    if (scalar := tensors.get("scalar")) is not None:
        change = change * scalar.reshape(())
    for leaf in MAGNITUDES:
        if leaf in tensors:
            by_output = leaf != "dora_scale" or len(tensors[leaf]) == len(weight)
            change = _decomposed(weight + change, tensors[leaf], by_output=by_output) - weight
    return change


def bias_change(tensors: Tensors) -> Tensor | None:
    """Return the change of a module's bias, shape (out,); ``None`` for none."""
    found = tensors.get("diff_b", tensors.get("b_norm"))
    return None if found is None else found.reshape(-1)


def low_rank_change(tensors: Tensors) -> tuple[Tensor, Tensor] | None:
    """Return the change of a weight as a product, where that is what its tensors are.

    Returns:
        (out, rank) and (rank, inputs x kernel), both fp32, whose product is ``weight_change`` with
        all but the first axis joined; ``None`` for DoRA, LoHa, LoKr, and differences of weights.
    """
    if "lora_down.weight" not in tensors or tensors.keys() & set(MAGNITUDES):
        return None
    down, up = tensors["lora_down.weight"], tensors["lora_up.weight"].flatten(1)
    scale = _scale(tensors, len(down))
    if (core := tensors.get("lora_mid.weight")) is not None:
        down = torch.einsum("ij...,jr->ir...", core, down.flatten(1))
    if (scalar := tensors.get("scalar")) is not None:
        scale = scale * scalar.reshape(())
    return up * scale, down.flatten(1)


def _decomposed(weight: Tensor, magnitude: Tensor, *, by_output: bool) -> Tensor:
    """Give each output (or each input) of a weight its magnitude: DoRA."""
    axis = 0 if by_output else 1
    others = [dim for dim in range(weight.ndim) if dim != axis]
    shape = [1] * weight.ndim
    shape[axis] = -1
    norm = (
        torch.linalg.vector_norm(weight, dim=others, keepdim=True) + torch.finfo(weight.dtype).eps
    )
    decomposed: Tensor = weight / norm * magnitude.reshape(shape)
    return decomposed


def _plain_change(tensors: Tensors, weight: Tensor) -> Tensor:
    """Return the change before its scalar and DoRA."""
    for leaf in ("diff", "w_norm"):
        if leaf in tensors:
            return tensors[leaf].reshape(weight.shape)
    if "lora_down.weight" in tensors:
        rank = len(tensors["lora_down.weight"])
        return (_lora(tensors) * _scale(tensors, rank)).reshape(weight.shape)
    if "hada_w1_a" in tensors:
        rank = len(tensors["hada_w1_b"])
        change = _hada(tensors, 1) * _hada(tensors, 2)
        return (change * _scale(tensors, rank)).reshape(weight.shape)
    if "lokr_w1" in tensors or "lokr_w1_a" in tensors:
        return _lokr(tensors).reshape(weight.shape)
    return torch.zeros_like(weight)  # a bias alone


def _scale(tensors: Tensors, rank: int) -> Tensor | float:
    alpha = tensors.get("alpha")
    return 1.0 if alpha is None else alpha.reshape(()) / rank


def _lora(tensors: Tensors) -> Tensor:
    down, up = tensors["lora_down.weight"], tensors["lora_up.weight"].flatten(1)
    if "lora_mid.weight" in tensors:
        return _tucker(tensors["lora_mid.weight"], up.T, down.flatten(1))
    return up @ down.flatten(1)


def _tucker(core: Tensor, outer: Tensor, inner: Tensor) -> Tensor:
    """Multiply a core (r1, r2, k, k) by (r1, out) and (r2, in); returns (out, in, k, k)."""
    return torch.einsum("ij...,ip,jr->pr...", core, outer, inner)


def _hada(tensors: Tensors, number: int) -> Tensor:
    """Return one factor of LoHa's elementwise product."""
    a, b = tensors[f"hada_w{number}_a"], tensors[f"hada_w{number}_b"]
    core = tensors.get(f"hada_t{number}")
    return a @ b.flatten(1) if core is None else _tucker(core, a, b)


def _lokr(tensors: Tensors) -> Tensor:
    """Return LoKr's Kronecker product; where both factors are whole, alpha does not count."""
    ranks = [len(tensors[leaf]) for leaf in ("lokr_w2_b", "lokr_w1_b") if leaf in tensors]
    left = tensors.get("lokr_w1")
    if left is None:
        left = tensors["lokr_w1_a"] @ tensors["lokr_w1_b"]
    right = tensors.get("lokr_w2")
    if right is None:
        right = _lokr_right(tensors)
    left = left.reshape(*left.shape, *[1] * (right.ndim - left.ndim))
    return torch.kron(left, right) * (_scale(tensors, ranks[0]) if ranks else 1.0)


def _lokr_right(tensors: Tensors) -> Tensor:
    a, b = tensors["lokr_w2_a"], tensors["lokr_w2_b"]
    if "lokr_t2" in tensors:
        return _tucker(tensors["lokr_t2"], a, b)
    # A kernel may be joined to the inputs; kron needs it joined as well as apart.
    return (a @ b.flatten(1)).reshape(len(a), *b.shape[1:])
