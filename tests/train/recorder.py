"""What a CUDA graph does, on the CPU: the same operations again, on the same memory.

Nothing of Python is repeated: what was decided, or taken from outside of the inputs, while the work
was recorded, stays as it was then. Asking for a value is refused, as it is there.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from train.run.graphs import Outputs

_ASKS = ("_local_scalar_dense", "nonzero", "equal")


class CpuRecorder:
    """Implements ``Recorder``.

    Attributes:
        recorded: How many works are.
        replays: How often any was repeated.
        forgotten: How often all were freed.
    """

    def __init__(self) -> None:
        self.recorded = self.replays = self.forgotten = 0

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        work()
        with _Recording() as recording:
            outputs = work()
        self.recorded += 1

        def replay() -> Outputs:
            self.replays += 1
            recording.repeat()
            return outputs

        return replay

    def forget(self) -> None:
        self.forgotten += 1
        self.recorded = 0


class _Recording(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._done: list[tuple[Any, Any, Any, list[Tensor]]] = []

    def __torch_dispatch__(
        self, function: Callable[..., Any], _types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        name = function.__name__
        if name.startswith(_ASKS):
            raise RuntimeError(f"{name}: operation not permitted when stream is capturing")
        results = function(*args, **(kwargs or {}))
        given = {_place(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        made = [t for t in tree_leaves(results) if isinstance(t, Tensor)]
        own = [t for t in made if _place(t) not in given]  # neither views nor changed in place
        self._done.append((function, args, kwargs or {}, own if len(own) == len(made) else []))
        return results

    @torch.no_grad()
    def repeat(self) -> None:
        for function, args, kwargs, own in self._done:
            found = [t for t in tree_leaves(function(*args, **kwargs)) if isinstance(t, Tensor)]
            for place, value in zip(own, found, strict=False):
                place.copy_(value)


def _place(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
