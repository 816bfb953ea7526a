"""LoRA and LoCon as hooks on the modules of a model, with a strength that changes at once.

A hook adds ``strength * alpha / rank * up(down(x))`` to what the module returns. ``up`` starts at
zero, so before the first step the model is exactly the base model; at strength 0 the hook adds
nothing at all. Networks stack: each adds its own part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from prep.errors import UserError
from prep.seeding import seed_of
from train.lora.keys import module_of

Targets = Mapping[str, nn.Module]
"""Modules of a model by their kohya name."""


@dataclass(frozen=True)
class Ranks:
    """Ranks and alphas: for linear layers and 1x1 convolutions, and for 3x3 convolutions."""

    rank: int
    alpha: float
    conv_rank: int = 0
    conv_alpha: float = 1.0

    def of(self, module: nn.Module) -> tuple[int, float]:
        """Return rank and alpha for a module; rank 0 leaves it alone."""
        if isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1):
            return self.conv_rank, self.conv_alpha
        return self.rank, self.alpha


class LoraModule(nn.Module):
    """The two small matrices beside one module.

    Shapes: ``down`` (rank, in[, k, k]), ``up`` (out, rank[, 1, 1]); a convolution's ``down``
    carries its kernel, stride and padding.
    """

    def __init__(self, base: nn.Module, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        self.down: nn.Module
        self.up: nn.Module
        if isinstance(base, nn.Conv2d):
            shape: dict[str, Any] = {
                "kernel_size": base.kernel_size,
                "stride": base.stride,
                "padding": base.padding,
                "dilation": base.dilation,
            }
            self.down = nn.Conv2d(base.in_channels, rank, bias=False, **shape)
            self.up = nn.Conv2d(rank, base.out_channels, 1, bias=False)
        elif isinstance(base, nn.Linear):
            self.down = nn.Linear(base.in_features, rank, bias=False)
            self.up = nn.Linear(rank, base.out_features, bias=False)
        else:
            raise TypeError(f"no LoRA for {type(base).__name__}")
        self.alpha = alpha
        self.scale = alpha / rank
        self.dropout = dropout

    def initialise(self, seed: int) -> None:
        """Draw ``down`` as kohya does (kaiming, a = sqrt 5) and set ``up`` to zero."""
        rng = torch.Generator().manual_seed(seed)
        down: Any = self.down
        nn.init.kaiming_uniform_(down.weight, a=5**0.5, generator=rng)
        up: Any = self.up
        nn.init.zeros_(up.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output, at strength 1."""
        inner = self.down(x)
        if self.dropout and self.training:
            inner = nn.functional.dropout(inner, self.dropout)
        added: Tensor = self.up(inner) * self.scale
        return added


class LoraNetwork(nn.Module):
    """All LoRA modules of one file, attached to a model.

    Attributes:
        strength: What the whole network is multiplied with; may be changed at any time.
    """

    def __init__(self, modules: Mapping[str, LoraModule]) -> None:
        super().__init__()
        self.loras = nn.ModuleDict(modules)
        self.strength = 1.0
        self._handles: list[RemovableHandle] = []

    @classmethod
    def fresh(
        cls, targets: Targets, ranks: Ranks, *, dropout: float = 0.0, seed: int = 0
    ) -> "LoraNetwork":
        """Make a network that changes nothing yet."""
        modules = {}
        for name, base in targets.items():
            rank, alpha = ranks.of(base)
            if rank:
                modules[name] = LoraModule(base, rank, alpha, dropout)
                modules[name].initialise(seed_of(seed, "init", name))
        return cls(modules)

    @classmethod
    def from_tensors(cls, targets: Targets, tensors: Mapping[str, Tensor]) -> "LoraNetwork":
        """Make the network of a LoRA file.

        Raises:
            UserError: Other algorithms than LoRA and LoCon, or modules this model does not have.
        """
        names = sorted({module_of(key) for key in tensors})
        unknown = [name for name in names if name not in targets]
        if unknown:
            raise UserError(
                f"{len(unknown)} of {len(names)} modules of this LoRA do not exist in the base "
                f"model, as {unknown[0]}.",
                "It was made for another model family; see: shikomi lora verify",
            )
        modules = {}
        for name in names:
            down = tensors.get(f"{name}.lora_down.weight")
            up = tensors.get(f"{name}.lora_up.weight")
            if down is None or up is None or f"{name}.lora_mid.weight" in tensors:
                raise UserError(
                    "This file uses another algorithm than LoRA or LoCon.",
                    "Convert it to LoRA in the tool that made it.",
                )
            alpha = tensors.get(f"{name}.alpha")
            rank = down.shape[0]
            modules[name] = _module_of_weights(
                targets[name], down, up, rank if alpha is None else float(alpha), name
            )
        return cls(modules)

    def attach(self, targets: Targets) -> "LoraNetwork":
        """Hook the network onto the modules; returns itself."""
        for name, lora in self.loras.items():
            self._handles.append(targets[name].register_forward_hook(self._hook(lora)))
        return self

    def detach(self) -> None:
        """Take the network off; the model is the base model again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, lora: nn.Module) -> Any:
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if self.strength == 0.0:
                return output
            added: Tensor = lora(inputs[0]) * self.strength
            return output + added.to(output.dtype)

        return add

    def tensors(self) -> dict[str, Tensor]:
        """Return the weights under their names in a LoRA file, alphas included, on the CPU."""
        found: dict[str, Tensor] = {}
        for name, module in self.loras.items():
            lora: Any = module
            found[f"{name}.alpha"] = torch.tensor(lora.alpha)
            found[f"{name}.lora_down.weight"] = lora.down.weight.detach().cpu()
            found[f"{name}.lora_up.weight"] = lora.up.weight.detach().cpu()
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy weights into this network, bit for bit."""
        with torch.no_grad():
            for name, module in self.loras.items():
                lora: Any = module
                lora.down.weight.copy_(tensors[f"{name}.lora_down.weight"])
                lora.up.weight.copy_(tensors[f"{name}.lora_up.weight"])

    def weights(self, prefix: str) -> list[nn.Parameter]:
        """Return the parameters of the modules whose names start with ``prefix``."""
        found: Iterable[tuple[str, nn.Module]] = self.loras.items()
        return [p for name, lora in found if name.startswith(prefix) for p in lora.parameters()]


def _module_of_weights(
    base: nn.Module, down: Tensor, up: Tensor, alpha: float, name: str
) -> LoraModule:
    lora = LoraModule(base, down.shape[0], alpha)
    weights: Any = lora
    if weights.down.weight.shape != down.shape or weights.up.weight.shape != up.shape:
        raise UserError(
            f"{name} of this LoRA has other sizes than the base model.",
            "It was made for another base model.",
        )
    with torch.no_grad():
        weights.down.weight.copy_(down)
        weights.up.weight.copy_(up)
    return lora
