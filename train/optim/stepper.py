"""What moves the weights: gradients, clipping, the loss scaler, the optimiser and its state."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from train.optim.flat import FlatGroup
from train.optim.optimizers import set_learning_rate
from train.optim.state import optimizer_state, restore_optimizer


class Stepper:
    """The trained weights of a run and the optimiser that moves them.

    Attributes:
        groups: The weights, flat.
        optimizer: Over them, or over their single parameters.
        scaler: Keeps small gradients above 0 in fp16; off in other formats.
        norm: Length of the gradient of the last step before it was clipped, shape (), on the
            device; ``None`` before the first one.
    """

    def __init__(
        self,
        groups: Sequence[FlatGroup],
        optimizer: torch.optim.Optimizer,
        scaler: torch.amp.GradScaler,
    ) -> None:
        self.groups, self.optimizer, self.scaler = tuple(groups), optimizer, scaler
        self.norm: Tensor | None = None
        self._switch("train")

    def set_rate(self, share: float) -> float:
        """Set every rate to ``share`` of its setting; return that of the first group."""
        return set_learning_rate(self.optimizer, share)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, shape (), to those of the step."""
        torch.autograd.backward(self.scaler.scale(loss))

    def step(self, max_norm: float, all_reduce: Callable[[Tensor], Tensor]) -> None:
        """Move the weights along the gradients and forget these.

        Args:
            max_norm: Longer gradients are scaled down to this length; 0 means never.
            all_reduce: Sums a tensor over all processes, in place.
        """
        for group in self.groups:
            all_reduce(group.gradients)
        self.scaler.unscale_(self.optimizer)
        gradients = [group.gradients for group in self.groups]
        self.norm = torch.nn.utils.get_total_norm(gradients)
        if max_norm:
            values = [group.values for group in self.groups]
            torch.nn.utils.clip_grads_with_norm_(values, max_norm, self.norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.forget()

    def forget(self) -> None:
        """Set the gradients to 0."""
        for group in self.groups:
            group.gradients.zero_()

    @contextmanager
    def inference_weights(self) -> Iterator[None]:
        """Within it, the weights are those to draw, measure and save.

        Optimisers that average (schedule-free ones) train other weights than they deliver; they
        say so by having ``train`` and ``eval``. Going back restores every bit, so that looking at
        a run does not change it.
        """
        if not self._averages:
            yield
            return
        trained = [group.values.detach().clone() for group in self.groups]
        self._switch("eval")
        try:
            yield
        finally:
            self._switch("train")
            for group, values in zip(self.groups, trained, strict=True):
                group.values.data.copy_(values)

    def state(self) -> tuple[dict[str, Tensor], str]:
        """Return the state of the optimiser, as ``optimizer_state`` does."""
        return optimizer_state(self.optimizer, self.groups)

    def restore(self, tensors: Mapping[str, Tensor], text: str) -> None:
        """Put the optimiser back, as ``restore_optimizer`` does."""
        restore_optimizer(self.optimizer, tensors, text, self.groups)

    @property
    def _averages(self) -> bool:
        return all(callable(getattr(self.optimizer, name, None)) for name in ("train", "eval"))

    def _switch(self, mode: str) -> None:
        if self._averages:
            optimizer: Any = self.optimizer
            getattr(optimizer, mode)()
