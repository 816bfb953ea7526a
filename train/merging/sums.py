"""What LoRAs, or another model, add to each module, and the LoRA file that holds it."""

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from prep.errors import ConfigError, UnreadableError
from prep.events import Event, Progress
from train.lora.layout import Shape, Shapes
from train.merging.factors import Factors, Reduced, joined, reduce_factors, reduce_matrix
from train.merging.inputs import Tensors
from train.networks.delta import bias_change, low_rank_change, weight_change

Part = tuple[float, Tensors]
"""A strength, and the tensors of a module in one file."""
_BIAS_ALONE = frozenset({"diff_b", "alpha", "scalar"})


@dataclass(frozen=True)
class ModuleSum:
    """The change of one module.

    Attributes:
        factors: Of the change of its weight, all axes but the first joined.
        matrix: The same where there are no factors; (n,) for a norm.
        bias: The change of its bias, (out,).
    """

    factors: Factors | None = None
    matrix: Tensor | None = None
    bias: Tensor | None = None

    @classmethod
    def of(cls, parts: Sequence[Part], weight: Callable[[], Tensor]) -> "ModuleSum":
        """Add changes up.

        Args:
            parts: The module in each file that has it.
            weight: Returns the model's weight, fp32; only asked where factors are not enough.
        """
        bias = summed_bias(parts)
        weighty = [(s, tensors) for s, tensors in parts if not tensors.keys() <= _BIAS_ALONE]
        if not weighty:
            return cls(bias=bias)
        pairs = [(s, low_rank_change(tensors)) for s, tensors in weighty]
        factors = [Factors(pair[0] * s, pair[1]) for s, pair in pairs if pair is not None]
        if len(factors) == len(pairs):
            return cls(joined(factors), None, bias)
        whole = summed_change(weighty, weight())
        return cls(None, whole.flatten(1) if whole.ndim > 1 else whole, bias)

    @property
    def is_finite(self) -> bool:
        """Whether nothing in it is NaN or infinite."""
        tensors = (*(self.factors or ()), self.matrix, self.bias)
        return all(bool(torch.isfinite(t).all()) for t in tensors if t is not None)

    def reduced(self, rank: int | None, keep: float) -> Reduced | None:
        """Return its best factors of a lower rank; ``None`` where the weight is not changed by any.

        Args:
            rank: The highest rank.
            keep: Share of the squares that is enough.

        Raises:
            LinAlgError: There are none: its squares overflow fp32.
        """
        if self.factors is not None:
            return reduce_factors(self.factors, rank, keep)
        if self.matrix is None or self.matrix.ndim == 1:
            return None
        return reduce_matrix(self.matrix, rank, keep)


def summed_change(parts: Sequence[Part], weight: Tensor) -> Tensor:
    """Return what parts add to a weight together, in its shape, fp32."""
    return torch.stack([s * weight_change(tensors, weight) for s, tensors in parts]).sum(0)


def summed_bias(parts: Sequence[Part]) -> Tensor | None:
    """Return what parts add to a bias together, (out,); ``None`` for nothing."""
    found = [s * bias for s, tensors in parts if (bias := bias_change(tensors)) is not None]
    return torch.stack(found).sum(0) if found else None


@dataclass
class NewLora:
    """The modules of a new file.

    Attributes:
        modules: Tensors by leaf, by module.
        kept: Squares of what its factors hold.
        total: Squares of what they stand for.
    """

    modules: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    kept: float = 0.0
    total: float = 0.0

    @property
    def share(self) -> float:
        """Share of the changes that it holds, by their squares."""
        return self.kept / self.total if self.total else 1.0

    @property
    def rank(self) -> int:
        """The highest rank of a module."""
        downs = (leaves.get("lora_down.weight") for leaves in self.modules.values())
        return max((len(down) for down in downs if down is not None), default=0)


def build(
    sums: Iterable[tuple[str, ModuleSum]],
    count: int,
    shapes: Shapes,
    rank_of: Callable[[str], int | None],
    keep: float = 1.0,
) -> Generator[Event, None, NewLora]:
    """Make a LoRA; yields a Progress for each module.

    Args:
        sums: The change of each module, by its name.
        count: How many there are.
        shapes: Of the model's weights.
        rank_of: The highest rank of a module; ``None`` keeps every rank, exactly.
        keep: Share of each module's squares that is enough.

    Raises:
        ConfigError: A change has no factors, and no rank is given.
        UnreadableError: A change is not finite.
    """
    made = NewLora()
    for index, (module, change) in enumerate(sums):
        if not change.is_finite:
            raise UnreadableError(
                f"The change of {module} would be NaN or infinite.",
                "One of the files is damaged, or a strength is too high.",
            )
        factors, rank = change.factors, rank_of(module)
        if rank is not None or keep < 1:
            if reduced := _reduced(module, change, rank, keep):
                factors = reduced.factors
                made.kept, made.total = made.kept + reduced.kept, made.total + reduced.total
        elif factors is None and change.matrix is not None and change.matrix.ndim > 1:
            raise ConfigError(
                f"{module} is no plain LoRA, and has no rank that it could keep exactly.",
                "Give --rank, for example 32: the result is as close as that rank allows.",
            )
        if leaves := _leaves(factors, change, shapes[module]):
            made.modules[module] = leaves
        yield Progress("merge", index + 1, count, module)
    return made


def _reduced(module: str, change: ModuleSum, rank: int | None, keep: float) -> Reduced | None:
    with suppress(LinAlgError):
        found = change.reduced(rank, keep)
        if found is None or all(bool(torch.isfinite(t).all()) for t in found.factors):
            return found
    raise UnreadableError(
        f"The change of {module} is too large to be reduced.",
        "Use an earlier file, or another model.",
    )


def _leaves(factors: Factors | None, change: ModuleSum, shape: Shape) -> dict[str, Tensor]:
    """Return what a file holds of a module, by leaf; its rank is its alpha."""
    found: dict[str, Tensor] = {}
    if factors is not None:
        ones = [1] * len(shape[2:])
        found["lora_down.weight"] = factors.down.reshape(factors.rank, *shape[1:])
        found["lora_up.weight"] = factors.up.reshape(shape[0], factors.rank, *ones)
        found["alpha"] = torch.tensor(float(factors.rank))
    elif change.matrix is not None:
        found["w_norm"] = change.matrix
    if change.bias is not None:
        found["b_norm" if "w_norm" in found else "diff_b"] = change.bias
    return found
