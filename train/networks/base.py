"""A network: the adapters of one LoRA file, attached to a model, with an adjustable strength.

An adapter is the small module beside one module of the model. The network adds
``strength * adapter(x)`` to what that module returns; at strength 0 nothing at all is added.
Networks stack: each adds its own part.

A module's ``forward`` is replaced, once for all networks; torch's forward hooks would do the same
by a slower way through every call.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn

from train.families.base import Targets
from train.lora.algorithms import Algorithm
from train.lora.contents import by_module


class Adapter(nn.Module):
    """What a network asks of its modules."""

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]]
    """What it reads."""

    @classmethod
    def of_file(cls, base: nn.Module, tensors: Mapping[str, Tensor]) -> Self:
        """Make the adapter of a module from its tensors in a file.

        Args:
            base: The module of the model.
            tensors: By leaf; they fit the module (``train.lora.fitting``).
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output at strength 1."""
        raise NotImplementedError

    def add(self, total: Tensor, x: Tensor, plain: Tensor, strength: float) -> Tensor:
        """Add this adapter's part to an output.

        Args:
            total: The output so far, other networks' parts included.
            x: What the module was given.
            plain: What the module alone returned.
            strength: What the part is multiplied by.
        """
        del plain
        added = self.forward(x)
        if strength != 1.0:
            added = added * strength
        return total + added.to(total.dtype)

    def file_tensors(self) -> dict[str, Tensor]:
        """Return its tensors as ``of_file`` reads them, on the CPU."""
        raise NotImplementedError

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy tensors of ``file_tensors`` into this adapter, bit for bit.

        Raises:
            KeyError, RuntimeError: They are those of another adapter.
        """
        raise NotImplementedError


def copy_exactly(own: Tensor, other: Tensor, leaf: str) -> None:
    """Copy a tensor into another of the same shape.

    Raises:
        RuntimeError: The shapes differ; copying alone would broadcast.
    """
    if own.shape != other.shape:
        raise RuntimeError(f"{leaf} has another shape")
    with torch.no_grad():
        own.copy_(other)


class Network(nn.Module):
    """All adapters of one file.

    Attributes:
        adapters: By the name of their module in the file.
        strength: What the whole network is multiplied by; may be changed at any time.
    """

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict(adapters)
        self.strength = 1.0
        self._attached: list[Adapted] = []

    def items(self) -> list[tuple[str, Adapter]]:
        """Return the adapters with the names of their modules."""
        return [(name, cast(Adapter, adapter)) for name, adapter in self.adapters.items()]

    def attach(self, targets: Targets) -> Self:
        """Attach the network to the modules of a model; returns itself."""
        for name, adapter in self.items():
            adapted = Adapted.of(targets[name])
            adapted.parts.append((self, adapter))
            self._attached.append(adapted)
        return self

    def detach(self) -> None:
        """Remove the network; the model is the base model again."""
        for adapted in self._attached:
            adapted.remove(self)
        self._attached.clear()

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors under their names in a LoRA file, on the CPU."""
        found: dict[str, Tensor] = {}
        for name, adapter in self.items():
            for leaf, tensor in adapter.file_tensors().items():
                found[f"{name}.{leaf}"] = tensor
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors of ``tensors()`` into this network, bit for bit.

        Raises:
            KeyError, RuntimeError: They are those of another network.
        """
        modules = by_module(tensors)
        for name, adapter in self.items():
            adapter.load(modules[name])


class Adapted:
    """Stands in for a module's ``forward`` while networks are attached to it.

    Attributes:
        parts: The networks with their adapters, in the order in which they were attached.
    """

    def __init__(self, module: nn.Module) -> None:
        self.parts: list[tuple[Network, Adapter]] = []
        self._module, self._forward = module, module.forward
        self._replaced = module.__dict__.get("forward")

    @classmethod
    def of(cls, module: nn.Module) -> "Adapted":
        """Return what stands in for a module's ``forward``; put in place where nothing does yet."""
        present = module.__dict__.get("forward")
        if isinstance(present, cls):
            return present
        adapted: Any = cls(module)
        module.forward = adapted
        return cls.of(module)

    def remove(self, network: Network) -> None:
        """Take a network off; the module gets its own ``forward`` back after the last one."""
        self.parts = [part for part in self.parts if part[0] is not network]
        if not self.parts and self._module.__dict__.get("forward") is self:
            del self._module.forward
            if self._replaced is not None:  # somebody else's, from before
                self._module.forward = self._replaced

    def __call__(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Compute the module's output and add what the adapters add."""
        if isinstance(self._module, nn.Linear | nn.Conv2d):
            x = x.to(self._module.weight.dtype)  # once, for the module and its adapters
        plain: Tensor = self._forward(x, *args, **kwargs)
        total = plain
        for network, adapter in self.parts:
            if network.strength != 0.0:
                total = adapter.add(total, x, plain, network.strength)
        return total
