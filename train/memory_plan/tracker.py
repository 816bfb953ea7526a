"""Bytes that a computation holds at once, measured on tensors that have shapes and no memory.

Under torch's ``FakeTensorMode`` a model is built, run and differentiated without its weights and
without its arithmetic; what is allocated and freed on the way is the same as in a real run.
"""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class MemoryTracker(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch is untyped here
    """Counts the storages that operations make, until they are freed.

    Attributes:
        live: Bytes that are held now.
        peak: The most that were held at once.
    """

    def __init__(self, known: Iterable[Tensor] = (), counted: Iterable[Tensor] = ()) -> None:
        """Start with what exists already.

        Args:
            known: Tensors that are not counted: views of them are no memory.
            counted: Tensors that are counted until they are freed.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        self.live = self.peak = 0
        self._storages: dict[int, weakref.ref[Any]] = {}
        for tensor in counted:
            self._note(tensor, tensor.untyped_storage().nbytes())
        for tensor in known:
            self._note(tensor, 0)

    def __torch_dispatch__(
        self, function: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation and count what it returns."""
        results = function(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            if isinstance(result, Tensor):
                self._note(result, result.untyped_storage().nbytes())
        return results

    def _note(self, tensor: Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._storages:
            return
        self.live += size
        self.peak = max(self.peak, self.live)

        def freed(_: object) -> None:
            self.live -= size
            self._storages.pop(key, None)

        self._storages[key] = weakref.ref(storage, freed)
