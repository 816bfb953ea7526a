"""Training runs side by side: what was set differently, how they ended, and the way there."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from prep import events
from prep.errors import UserError
from prep.project import Project
from prep.system import jobs

SMOOTHING = 0.95
"""Share of what came before in a smoothed loss."""
_ROUND = (1, 2, 5)


@dataclass(frozen=True)
class RunResult:
    """How a run ended, or how far it is.

    Attributes:
        state: As in ``prep.system.jobs.Status``.
        steps: Steps that were made.
        total: Steps that it was to make; 0 before the first.
        first_validation: Loss of the first validation round, usually before the first step.
        last_validation: That of the newest round.
        average_loss: Of the newest steps, as the trainer averages it.
    """

    state: str
    steps: int = 0
    total: int = 0
    first_validation: float | None = None
    last_validation: float | None = None
    average_loss: float | None = None


@dataclass(frozen=True)
class EqualStep:
    """Several runs after the same number of steps.

    Attributes:
        step: The number of steps.
        losses: Smoothed loss of each run; ``None`` where nothing was measured by then.
        validations: Loss of the newest validation round by then, likewise.
    """

    step: int
    losses: tuple[float | None, ...]
    validations: tuple[float | None, ...]


def settings_of(project: Project, job: jobs.Job) -> dict[str, Any]:
    """Return the settings of a run, and its name; empty if they cannot be read."""
    from train.job.changes import read_run  # with all settings: only this one needs them

    try:
        run = read_run(project, job)
    except UserError:
        return {}
    return {"name": run.name, **run.train.model_dump(mode="json")}


def differences(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return the settings that are not the same in all runs, in their order; ``None``: not set.

    Example:
        >>> differences([{"rank": 8, "alpha": 8}, {"rank": 16, "alpha": 8}])
        {'rank': [8, 16]}
    """
    names = dict.fromkeys(name for one in settings for name in one)
    return {
        name: [one.get(name) for one in settings]
        for name in names
        if any(one.get(name) != settings[0].get(name) for one in settings)
    }


def take_metric(metrics: list[events.Metric], metric: events.Metric) -> None:
    """Add the next metric of a run; one that is resumed goes on after its last saved step.

    A step may have two: its loss, and a validation round.
    """
    place = len(metrics)
    while place and metrics[place - 1].step >= metric.step:
        place -= 1
    again = any(
        each.step > metric.step or (each.loss is None) == (metric.loss is None)
        for each in metrics[place:]
    )
    if again:
        del metrics[place:]
    metrics.append(metric)


def metrics_of(job: jobs.Job) -> list[events.Metric]:
    """Return the metrics of a run so far, in the order of its steps."""
    found: list[events.Metric] = []
    for event in jobs.Follower(job).poll():
        if isinstance(event, events.Metric):
            take_metric(found, event)
    return found


def result_of(state: str, metrics: Sequence[events.Metric]) -> RunResult:
    """Return how a run ended."""
    rounds = [m.val_loss for m in metrics if m.val_loss is not None]
    newest = next((m for m in reversed(metrics) if m.loss is not None), None)
    last = metrics[-1] if metrics else None
    return RunResult(
        state,
        last.step if last else 0,
        last.total if last else 0,
        rounds[0] if rounds else None,
        rounds[-1] if rounds else None,
        newest.average_loss if newest else None,
    )


def best(results: Sequence[RunResult]) -> int | None:
    """Return the place of the run with the lowest validation loss, if two have one."""
    found = [
        (one.last_validation, place)
        for place, one in enumerate(results)
        if one.last_validation is not None and isfinite(one.last_validation)
    ]
    return min(found)[1] if len(found) > 1 else None


def smooth(
    points: Sequence[tuple[float, float]], weight: float = 0.9, leap: float = 4.0
) -> list[tuple[float, float]]:
    """Return a moving average that is not pulled towards the first value.

    Args:
        points: The curve.
        weight: Of what came before.
        leap: A value counts as at most this many times the average before it, so that a single
            wild step does not hide what follows.

    Example:
        >>> [round(y, 2) for _, y in smooth([(0, 1.0), (1, 1.0), (2, 0.0)], 0.5)]
        [1.0, 1.0, 0.43]
        >>> [round(y, 2) for _, y in smooth([(0, 1.0), (1, 1.0), (2, 900.0)], 0.5)]
        [1.0, 1.0, 2.71]
    """
    total = norm = 0.0
    result = []
    for x, y in points:
        counted = min(y, leap * total / norm) if norm and total > 0 else y
        total = total * weight + counted * (1 - weight)
        norm = norm * weight + (1 - weight)
        result.append((x, total / norm))
    return result


def curves(
    metrics: Sequence[events.Metric],
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return (step, loss) of each step, and of each validation round."""
    raw = [(float(m.step), m.loss) for m in metrics if m.loss is not None]
    rounds = [(float(m.step), m.val_loss) for m in metrics if m.val_loss is not None]
    return raw, rounds


def at_equal_steps(runs: Sequence[Sequence[events.Metric]], most: int = 10) -> list[EqualStep]:
    """Return runs at round numbers of steps, as far as all of them got, and at the last of these.

    Args:
        runs: The metrics of each run.
        most: Numbers of steps, at most.
    """
    end = min((metrics[-1].step if metrics else 0 for metrics in runs), default=0)
    pairs = [curves(metrics) for metrics in runs]
    lines = [(smooth(raw, SMOOTHING), rounds) for raw, rounds in pairs]
    return [
        EqualStep(
            step,
            tuple(_newest(losses, step) for losses, _ in lines),
            tuple(_newest(rounds, step) for _, rounds in lines),
        )
        for step in _numbers(end, most)
    ]


def _newest(points: Sequence[tuple[float, float]], step: int) -> float | None:
    place = bisect_right([number for number, _ in points], step)
    return points[place - 1][1] if place else None


def _numbers(end: int, most: int) -> list[int]:
    """Return round numbers up to ``end``, and that one.

    Example:
        >>> _numbers(120, 10), _numbers(0, 10), _numbers(7, 3)
        ([20, 40, 60, 80, 100, 120], [], [5, 7])
    """
    if end < 1:
        return []
    scale = 1
    while True:
        for unit in (each * scale for each in _ROUND):
            if -(-end // unit) <= most:
                return [*range(unit, end, unit), end]
        scale *= 10
