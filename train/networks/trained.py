"""What all adapters that are trained have in common.

Their tensors are parameters in fp32, which the optimiser moves. Where the base model computes in
another format, they are cast to it for every step (``cast_all``), and their gradients flow back
through the cast: adapters need no autocast.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from train.networks.base import Adapter, copy_exactly


@dataclass(frozen=True)
class Drops:
    """Shares of what is switched off at random while training.

    Attributes:
        inner: Of the values between the two matrices of a LoRA.
        ranks: Of its ranks, for each image.
        modules: Of the adapters, for each batch.
    """

    inner: float = 0.0
    ranks: float = 0.0
    modules: float = 0.0


NO_DROPS = Drops()


class TrainedAdapter(Adapter):
    """An adapter whose tensors are trained.

    Attributes:
        base: The module of the model; not part of this one.
        alpha: As the file has it.
        scale: What the change is multiplied by, alpha / rank.
        rank: The rank.
        drops: What is switched off while training.
    """

    SCALED: ClassVar[str]
    """The tensor that holds the scale once it is cast; also the one that LoRA+ speeds up."""

    def __init__(self, base: nn.Module, rank: int, alpha: float, drops: Drops) -> None:
        super().__init__()
        self._base = (base,)  # in a tuple: the model's module is not part of this one
        self.rank, self.alpha, self.scale, self.drops = rank, alpha, alpha / rank, drops
        self._cast: Mapping[str, Tensor] | None = None

    @property
    def base(self) -> Any:
        """The module of the model."""
        return self._base[0]

    @property
    def dtype(self) -> torch.dtype:
        """The format that the module computes in."""
        found: torch.dtype = self.base.weight.dtype
        return found

    def leaves(self) -> dict[str, nn.Parameter]:
        """Return the parameters by their names in a file."""
        raise NotImplementedError

    def initialise(self, rng: torch.Generator) -> None:
        """Draw the first weights, with which the adapter changes nothing."""
        raise NotImplementedError

    def norm(self) -> Tensor:
        """Return the norm of the change at strength 1, magnitudes not counted."""
        raise NotImplementedError

    # ---- weights in the base model's format ----------------------------------------------

    def hold(self, cast: Mapping[str, Tensor]) -> None:
        """Compute with these tensors until ``release``; the parameters do not change until then."""
        self._cast = cast

    def release(self) -> None:
        """Compute with the parameters as they are."""
        if self._cast is not None:  # setting an attribute of a module takes its time
            self._cast = None

    def weight(self, leaf: str) -> Tensor:
        """Return a tensor in the base model's format; that of ``SCALED`` with the scale in it."""
        if self._cast and leaf in self._cast:
            return self._cast[leaf]
        parameter: Tensor = self.leaves()[leaf]
        if leaf == self.SCALED and self.scale != 1.0:
            parameter = parameter * self.scale
        return parameter.to(self.dtype)

    def dropped(self) -> bool:
        """Is this adapter switched off in this batch?"""
        share = self.drops.modules
        return bool(share) and self.training and float(torch.rand(())) < share

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """As ``Adapter.add``."""
        return total if self.dropped() else super().add(total, x, plain, strength)

    # ---- keeping the change small --------------------------------------------------------

    @torch.no_grad()
    def limit(self, longest: float) -> None:
        """Scale the change down to a norm, all its factors alike (sd-scripts' rule)."""
        factors = self.factors()
        share = (longest / self.norm()).clamp(max=1.0) ** (1 / len(factors))
        for factor in factors:
            factor.mul_(share)

    def factors(self) -> list[nn.Parameter]:
        """Return the parameters that the change is a product of."""
        return list(self.leaves().values())

    # ---- files ---------------------------------------------------------------------------

    def file_tensors(self) -> dict[str, Tensor]:
        """As ``Adapter.file_tensors``."""
        found = {leaf: parameter.detach().cpu() for leaf, parameter in self.leaves().items()}
        return {"alpha": torch.tensor(self.alpha), **found}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """As ``Adapter.load``."""
        for leaf, own in self.leaves().items():
            copy_exactly(own, tensors[leaf], leaf)


class _Cast(torch.autograd.Function):
    """Parameters in another format, each multiplied by a number: one node for all of them."""

    @staticmethod
    def forward(
        ctx: Any, dtype: torch.dtype, scales: list[float], *masters: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.scales = scales
        ctx.set_materialize_grads(False)
        found = [torch.empty_like(master, dtype=dtype) for master in masters]
        torch._foreach_copy_(found, torch._foreach_mul(masters, scales))
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Any, ...]:
        present = [(g, s) for g, s in zip(gradients, ctx.scales, strict=True) if g is not None]
        wide = [torch.empty_like(g, dtype=torch.float32) for g, _ in present]
        if wide:
            torch._foreach_copy_(wide, [g for g, _ in present])
            torch._foreach_mul_(wide, [scale for _, scale in present])
        rest = iter(wide)
        return None, None, *(None if g is None else next(rest) for g in gradients)


def cast_all(adapters: Iterable[TrainedAdapter]) -> None:
    """Let adapters hold their weights in their modules' format, cast with few kernels.

    Gradients of the cast tensors reach the parameters in fp32. Where a module computes in fp32,
    there is nothing to cast.
    """
    by_dtype: dict[torch.dtype, list[TrainedAdapter]] = {}
    for adapter in adapters:
        if adapter.dtype == torch.float32:
            adapter.release()
        else:
            by_dtype.setdefault(adapter.dtype, []).append(adapter)
    for dtype, chosen in by_dtype.items():
        leaves = [(one, leaf, p) for one in chosen for leaf, p in one.leaves().items()]
        scales = [one.scale if leaf == one.SCALED else 1.0 for one, leaf, _ in leaves]
        masters = [parameter for _, _, parameter in leaves]
        cast: tuple[Tensor, ...] = _Cast.apply(dtype, scales, *masters)  # type: ignore[no-untyped-call]
        held: dict[TrainedAdapter, dict[str, Tensor]] = {one: {} for one in chosen}
        for (one, leaf, _), tensor in zip(leaves, cast, strict=True):
            held[one][leaf] = tensor
        for one, tensors in held.items():
            one.hold(tensors)
