"""The gradients of a step, in as many parts as memory asks for."""

from collections.abc import Sequence

import torch
from torch import Tensor

from train.arithmetic.memory import empty_cache, ran_out
from train.data.dataset import Batch
from train.run.objective import micro_losses
from train.run.prepare import Training


def add_gradients(
    training: Training, batches: Sequence[tuple[int, Batch]], images: int
) -> tuple[Tensor, bool]:
    """Compute the gradients of this process's share of a step.

    When memory runs out over a batch, all is dropped and begun again with half as many images at
    once. Other processes know nothing of it and wait in the exchange of the gradients.

    Args:
        training: The run. Its gradients are 0.
        batches: Of this process, each with its place in the step.
        images: Of the whole step; the gradient is that of the mean over them.

    Returns:
        The sum of the losses divided by ``images``, shape (), on the device; and whether there is
        a gradient: not when everything was switched off, or no image can be read any more.

    Raises:
        RuntimeError, MemoryError: Not even a single image fits; ``ran_out`` knows it.
    """
    while (found := _attempt(training, batches, images)) is None:
        # Here, not where the error is handled: it holds what was computed.
        training.stepper.forget()
        empty_cache(training.group.device)
    return found


def _attempt(
    training: Training, batches: Sequence[tuple[int, Batch]], images: int
) -> tuple[Tensor, bool] | None:
    """Do as ``add_gradients``, once; ``None`` if it is worth another attempt."""
    step, micro = training.counters.step, training.micro
    epoch, moves = training.schedule.epoch_of(step), False
    total = torch.zeros((), device=training.group.device)
    training.ledger.forget(step)
    for index, batch in batches:
        try:
            for losses in micro_losses(training, batch, (epoch, step, index), micro.size(batch)):
                loss = losses.sum() / images
                if loss.requires_grad:
                    training.stepper.backward(loss)
                    moves = True
                total += loss.detach()
        except Exception as error:
            if not ran_out(error) or not micro.halve(batch):
                raise
            return None
    return total, moves
