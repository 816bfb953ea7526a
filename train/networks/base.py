"""A network: the adapters of one LoRA file, attached to a model, with an adjustable strength.

An adapter is the small trainable module beside one module of the model. The network adds
``strength * adapter(x)`` to what that module returns; at strength 0 nothing at all is added.
Networks stack: each adds its own part.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from train.families.base import Targets
from train.lora.algorithms import Algorithm
from train.lora.contents import by_module


class Adapter(Protocol):
    """What a network asks of its modules; implementations are ``nn.Module``s."""

    ALGORITHMS: ClassVar[tuple[Algorithm, ...]]
    """What it reads."""

    @classmethod
    def of_file(cls, base: nn.Module, tensors: Mapping[str, Tensor]) -> "Adapter":
        """Make the adapter of a module from its tensors in a file.

        Args:
            base: The module of the model.
            tensors: By leaf; they fit the module (``train.lora.fitting``).
        """
        ...

    def forward(self, x: Tensor) -> Tensor:
        """Return what is added to the module's output at strength 1."""
        ...

    def file_tensors(self) -> dict[str, Tensor]:
        """Return its tensors as ``of_file`` reads them, on the CPU."""
        ...

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy tensors of ``file_tensors`` into this adapter, bit for bit.

        Raises:
            KeyError, RuntimeError: They are those of another adapter.
        """
        ...


class Network(nn.Module):
    """All adapters of one file.

    Attributes:
        adapters: By the name of their module in the file.
        strength: What the whole network is multiplied by; may be changed at any time.
    """

    def __init__(self, adapters: Mapping[str, Any]) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict(adapters)
        self.strength = 1.0
        self._handles: list[RemovableHandle] = []

    def attach(self, targets: Targets) -> "Network":
        """Hook the network onto the modules of a model; returns itself."""
        for name, adapter in self.adapters.items():
            self._handles.append(targets[name].register_forward_hook(self._hook(adapter)))
        return self

    def detach(self) -> None:
        """Remove the network; the model is the base model again."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _hook(self, adapter: nn.Module) -> Any:
        def add(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            if self.strength == 0.0:
                return output
            added: Tensor = adapter(inputs[0]) * self.strength
            return output + added.to(output.dtype)

        return add

    def tensors(self) -> dict[str, Tensor]:
        """Return the tensors under their names in a LoRA file, on the CPU."""
        found: dict[str, Tensor] = {}
        for name, module in self.adapters.items():
            adapter: Any = module
            for leaf, tensor in adapter.file_tensors().items():
                found[f"{name}.{leaf}"] = tensor
        return found

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Copy the tensors of ``tensors()`` into this network, bit for bit.

        Raises:
            KeyError, RuntimeError: They are those of another network.
        """
        modules = by_module(tensors)
        with torch.no_grad():
            for name, module in self.adapters.items():
                adapter: Any = module
                adapter.load(modules[name])

    def weights(self, prefix: str) -> list[nn.Parameter]:
        """Return the parameters of the adapters whose names start with ``prefix``."""
        adapters: Iterable[tuple[str, nn.Module]] = self.adapters.items()
        chosen = [adapter for name, adapter in adapters if name.startswith(prefix)]
        return [parameter for adapter in chosen for parameter in adapter.parameters()]
