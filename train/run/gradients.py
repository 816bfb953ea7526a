"""The gradients of a step, in as many parts as memory asks for."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from train.arithmetic.memory import empty_cache, ran_out
from train.data.dataset import Batch
from train.run.graphs import NO_ROOM
from train.run.objective import Question, answer, micro_losses, note, questions
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
            for loss, moved in _parts(training, batch, (epoch, step, index), images):
                training.heed()
                total += loss
                moves |= moved
        except Exception as error:
            if not ran_out(error):
                raise
            # Graphs hold the memory of their steps: without them there may be room.
            if not (training.graphs.give_up(NO_ROOM) or micro.halve(batch)):
                raise
            return None
    return total, moves


def _parts(
    training: Training, batch: Batch, place: tuple[int, int, int], images: int
) -> Iterator[tuple[Tensor, bool]]:
    """Add the gradient of a batch, part by part.

    Yields:
        The losses of a part, their sum divided by ``images``, shape (); and whether they had a
        gradient.
    """
    size = training.micro.size(batch)
    if training.graphs.in_use:
        for question in questions(training, batch, place, size):
            yield _replayed(training, question, images), True
        return
    for losses in micro_losses(training, batch, place, size):
        loss = losses.sum() / images
        if loss.requires_grad:
            training.stepper.backward(loss)
        yield loss.detach(), loss.requires_grad


def _replayed(training: Training, question: Question, images: int) -> Tensor:
    """Add a gradient by a graph; return the sum of the losses divided by ``images``, shape ()."""

    def work(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        found = answer(training, question.reading(inputs))
        loss = found.weighted.sum() / images
        training.stepper.backward(loss)
        return loss.detach(), found.plain

    key = (images, tuple(question.text.extra), question.mask is None)
    loss, plain = training.graphs.run(work, question.tensors(), key, question.seed)
    note(training, question, plain)
    return loss
