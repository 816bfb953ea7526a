"""Steps that are recorded once and replayed: CUDA graphs.

Where batches are small, a GPU computes for a fraction of a step and waits for the processor to
start the next of thousands of kernels. A graph starts all of them at once. It repeats the same
kernels on the same memory: inputs are copied to where it reads them, and gradients are added to
where they always are. There is one for each shape of the inputs; all share one pool of memory.

The first replay of each is compared with the same work done without it.
"""

import gc
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from prep.events import Warned
from train.arithmetic.memory import ran_out

Outputs = tuple[Tensor, ...]
Work = Callable[[Sequence[Tensor]], Outputs]
"""Computes losses from its inputs and adds their gradients; never asks for a value."""

NO_ROOM = "there is no memory for them"
DIFFERENT = "their results differ from those without them"
_MOST = 32
"""Shapes that are recorded; what comes after is done without a graph, so that none is made anew in
each epoch. Several hundred MB of the card, since they share the memory of their steps."""
_NEAR = 0.02
"""Of the length of a gradient: fused attention sums its gradients in no fixed order."""


class Recorder(Protocol):
    """Records what a GPU is asked to do."""

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """Return what repeats the work, on the same memory; its outputs change with each call.

        Gradients may be added any number of times meanwhile.
        """
        ...

    def forget(self) -> None:
        """Free what was recorded; none of it is called again."""
        ...


class CudaRecorder:
    """Implements ``Recorder`` on a card."""

    def __init__(self, device: torch.device) -> None:
        """Record nothing yet."""
        self._device = device
        self._graphs: list[torch.cuda.CUDAGraph] = []

    def record(self, work: Callable[[], Outputs]) -> Callable[[], Outputs]:
        """As ``Recorder.record``.

        Raises:
            RuntimeError: Something in the work cannot be recorded.
        """
        torch.cuda.synchronize(self._device)
        torch.cuda.empty_cache()  # what was computed before has its memory outside of the pool
        side = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        current = torch.cuda.current_stream(self._device)
        side.wait_stream(current)
        with torch.cuda.stream(side):  # libraries make their workspaces, which no graph may do
            work()
        current.wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        pool = self._graphs[0].pool() if self._graphs else None
        # Only this thread's calls are watched: others may copy to the card meanwhile.
        with torch.cuda.graph(graph, pool=pool, stream=side, capture_error_mode="thread_local"):
            outputs = work()
        self._graphs.append(graph)

        def replay() -> Outputs:
            graph.replay()
            return outputs

        return replay

    def forget(self) -> None:
        """As ``Recorder.forget``."""
        torch.cuda.synchronize(self._device)
        for graph in self._graphs:
            graph.reset()
        self._graphs.clear()
        gc.collect()
        torch.cuda.empty_cache()


@dataclass(frozen=True)
class _Recorded:
    """Work that can be repeated.

    Attributes:
        inputs: Where it reads.
        replay: Repeats it.
    """

    inputs: list[Tensor]
    replay: Callable[[], Outputs]

    def run(self, inputs: Sequence[Tensor]) -> Outputs:
        """Repeat it on other inputs of the same shapes."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        return tuple(output.clone() for output in self.replay())


class Graphs:
    """The graphs of a run.

    Attributes:
        in_use: Work is recorded; otherwise nobody should come here.
    """

    def __init__(self, recorder: Recorder | None = None, gradients: Sequence[Tensor] = ()) -> None:
        """Record nothing yet.

        Args:
            recorder: Of the device; without one there are no graphs.
            gradients: All that work adds to.
        """
        self._recorder, self._gradients = recorder, list(gradients)
        self.in_use = recorder is not None
        self._known: dict[Hashable, _Recorded] = {}
        self._checked: set[Hashable] = set()
        self._reason = ""

    def run(self, work: Work, inputs: Sequence[Tensor], key: Hashable, seed: int) -> Outputs:
        """Do some work, or repeat it if the same was done before on inputs of these shapes.

        Args:
            work: What to do.
            inputs: On the device.
            key: What the work depends on beside its inputs and the weights.
            seed: What torch's generators are seeded with already.

        Returns:
            What the work returns.
        """
        whole = (key, tuple((tuple(tensor.shape), tensor.dtype) for tensor in inputs))
        recorded = self._known.get(whole)
        if recorded is not None:
            return recorded.run(inputs)
        if self._recorder is None or len(self._known) >= _MOST:
            return work(inputs)
        return self._first(self._recorder, work, inputs, whole, seed)

    def _first(
        self, recorder: Recorder, work: Work, inputs: Sequence[Tensor], key: Hashable, seed: int
    ) -> Outputs:
        """Do some work without a graph, then with it; give graphs up if the results differ."""
        before = self._copied()
        expected = work(inputs)
        after = self._copied()
        try:
            own = [tensor.clone() for tensor in inputs]
            recorded = _Recorded(own, recorder.record(lambda: work(own)))
            self._put(before)
            torch.manual_seed(seed)
            found = recorded.run(inputs)
            agrees = key in self._checked or self._agree(found, expected, before, after)
            reason = "" if agrees else DIFFERENT
        except Exception as error:  # whatever cannot be recorded can be done without
            reason = NO_ROOM if ran_out(error) else f"a step cannot be recorded ({_line(error)})"
        if reason:
            self._put(after)
            self.give_up(reason)
            return expected
        self._checked.add(key)
        self._known[key] = recorded
        return found

    def _copied(self) -> list[Tensor]:
        return [gradient.clone() for gradient in self._gradients]

    def _put(self, values: Sequence[Tensor]) -> None:
        for gradient, value in zip(self._gradients, values, strict=True):
            gradient.copy_(value)

    def _agree(
        self,
        found: Outputs,
        expected: Outputs,
        before: Sequence[Tensor],
        after: Sequence[Tensor],
    ) -> bool:
        """Return whether a replay has done what the work did; waits for the device, once."""
        near = [
            torch.allclose(x.float(), y.float(), rtol=1e-3, atol=1e-6, equal_nan=True)
            for x, y in zip(found, expected, strict=True)
        ]
        own = torch.stack([(y - x).norm() for x, y in zip(before, after, strict=True)]).norm()
        pairs = zip(self._gradients, after, strict=True)
        apart = torch.stack([(x - y).norm() for x, y in pairs]).norm()
        both = not (torch.isfinite(own) or torch.isfinite(apart))  # fp16 tries scales that overflow
        return all(near) and (both or bool(apart <= _NEAR * own))

    def release(self) -> None:
        """Free the memory of all graphs, for work that needs it; they are recorded anew."""
        if self._known and self._recorder:
            self._known.clear()
            self._recorder.forget()

    def give_up(self, reason: str) -> bool:
        """Do without graphs from now on; return whether that frees memory."""
        held = bool(self._known)
        if self.in_use and self._recorder:
            self._reason = reason
            self._known.clear()
            self._recorder.forget()
        self.in_use = False
        return held

    def news(self) -> Iterator[Warned]:
        """Yield why graphs were given up, once."""
        reason, self._reason = self._reason, ""
        if reason:
            yield Warned(
                f"CUDA graphs are not used any more: {reason}.",
                'The run goes on as with execution = "eager", a little slower.',
            )


def _line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
