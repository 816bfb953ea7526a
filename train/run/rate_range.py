"""The learning rate range test: a short run in which the rate rises until learning breaks.

Source: Smith 2015 (arXiv 1506.01186). The loss of a diffusion step depends far more on its
timesteps than on the rate, so that what is watched is the validation loss of a few images on
fixed noise: the same function after every step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from train.data.dataset import TrainImage
from train.run.loop import optimise
from train.run.objective import fixed_loss
from train.run.prepare import Training

_WATCHED = 4
"""Images that the loss is measured on."""
_BROKEN = 4.0
"""The test ends when the loss is this many times the lowest one."""
_MARGIN = 3.0
"""How far below the rate of the steepest fall the suggestion stays: a run is longer than a test."""
_SMOOTH = 0.7
"""How much of the average loss is kept from step to step."""


@dataclass(frozen=True)
class RatePoint:
    """A step of the test.

    Attributes:
        rate: Learning rate of the UNet; other parts keep their proportion.
        loss: After the step, on fixed noise; smoothed over the steps.
    """

    rate: float
    loss: float


def rates(low: float, high: float, steps: int) -> list[float]:
    """Return rates that rise by one factor from step to step, from ``low`` to ``high``."""
    return [low * (high / low) ** (step / (steps - 1)) for step in range(steps)]


def try_rates(training: Training, chosen: Sequence[float]) -> Iterator[RatePoint]:
    """Do a step with each rate; stops early when the loss is far above the lowest one.

    Yields:
        A point for each step, after one for the untrained model, whose rate is 0.
    """
    watched = (training.held_out or training.schedule.images)[:_WATCHED]
    training.network.train()
    average = lowest = _measure(training, watched)
    yield RatePoint(0.0, average)
    for rate in chosen:
        training.stepper.set_rate(rate / training.settings.learning_rate)
        optimise(training)
        training.counters.step += 1
        average = _SMOOTH * average + (1.0 - _SMOOTH) * _measure(training, watched)
        if not average < _BROKEN * lowest:  # NaN is not below anything
            return
        lowest = min(lowest, average)
        yield RatePoint(rate, average)


def _measure(training: Training, images: Sequence[TrainImage]) -> float:
    with training.stepper.inference_weights():
        return fixed_loss(training, images)


def suggested_rate(points: Sequence[RatePoint]) -> float | None:
    """Return a rate to train with: a third of the one at which the loss fell fastest.

    Rates rise by one factor from step to step, so that a fall from step to step is the slope over
    the logarithm of the rate.

    Returns:
        ``None`` when the loss never fell.
    """
    falls = [(before.loss - after.loss, after.rate) for before, after in pairwise(points)]
    best = max(falls, default=(0.0, 0.0))
    return best[1] / _MARGIN if best[0] > 0 else None
