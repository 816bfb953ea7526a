"""A validation round: held-out images and a few trained ones, on noise that never changes.

The loss of a training step is dominated by the timestep that was drawn; these losses are the same
function after every step, so that a small change of them means something.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from prep.events import Validation
from train.data.dataset import watched_images
from train.run.objective import VALIDATION_TIMES, fixed_losses
from train.run.prepare import Training

NOISE = {"low": (0.0, 1 / 3), "mid": (1 / 3, 2 / 3), "high": (2 / 3, 1.0)}
"""Bands of noise, as shares of the schedule: fine detail, shapes, and the layout of the picture."""
_ROUNDS = 10
"""Without held-out images, the most rounds of a run: the trained ones alone are worth less time."""

Losses = Mapping[Path, Sequence[float]]


def worth_a_round(training: Training) -> bool:
    """Return whether enough steps have passed since the last round."""
    counters = training.counters
    if training.held_out or counters.validated < 0:
        return True
    return counters.step - counters.validated >= training.schedule.steps / _ROUNDS


def measures_anything(training: Training) -> bool:
    """Return whether there are images to measure."""
    return bool(training.held_out) or training.settings.watched_images > 0


def validate(training: Training) -> Validation:
    """Measure; the first time, before the first step, also note what later rounds compare with."""
    counters, schedule = training.counters, training.schedule
    held = fixed_losses(training, training.held_out)
    trained = fixed_losses(training, watched_images(training.schedule.images, training.settings))
    means = {"held_out": _means(held), "trained": _means(trained)}
    if counters.step == 0:
        counters.before = {name: values for name, values in means.items() if values}
    falls = {name: _fall(values, counters.before.get(name)) for name, values in means.items()}
    gap = None
    if falls["trained"] is not None and falls["held_out"] is not None:
        gap = falls["trained"] - falls["held_out"]
    return Validation(
        counters.step,
        schedule.steps,
        schedule.epoch_of(max(0, counters.step - 1)) + 1,
        _mean(means["held_out"]),
        _mean(means["trained"]),
        _bands(means["held_out"]),
        _bands(means["trained"]),
        falls["held_out"],
        falls["trained"],
        gap,
        _by_image(training, held),
        _by_image(training, trained),
    )


def _means(losses: Losses) -> list[float]:
    """Return the mean over images at each noise level; empty without images."""
    return [sum(level) / len(level) for level in zip(*losses.values(), strict=True)]


def _mean(values: Collection[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _bands(means: Sequence[float]) -> dict[str, float]:
    found = {}
    for name, (low, high) in NOISE.items():
        inside = [m for m, t in zip(means, VALIDATION_TIMES, strict=False) if low <= t < high]
        if inside:
            found[name] = sum(inside) / len(inside)
    return found


def _fall(now: Sequence[float], before: Sequence[float] | None) -> float | None:
    """Return by which share losses fell, averaged over the noise levels.

    A plain mean of the losses would be that of the level with the largest ones.
    """
    if not before or len(before) != len(now):
        return None
    return sum(1 - after / level for after, level in zip(now, before, strict=True)) / len(now)


def _by_image(training: Training, losses: Losses) -> dict[str, float]:
    return {training.relative(path): sum(each) / len(each) for path, each in losses.items()}
