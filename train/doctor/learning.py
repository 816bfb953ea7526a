"""Overfitting, not learning, NaN: what the losses of a run say.

All of it rests on validation rounds, whose noise never changes: a fall of half a per cent is one.
The thresholds were measured: ``benchmarks/doctor.py`` makes healthy and ailing runs, and
``benchmarks/doctor.txt`` says what was seen.
"""

import math
from collections.abc import Sequence
from statistics import median

from prep.events import Diagnosis, Metric, Validation
from prep.language import english, marked, quantity
from train.doctor.findings import fine, found, percent, unknown
from train.doctor.record import RunRecord

OVERFITTING, LEARNING, NAN = marked("overfitting"), marked("not learning"), "NaN"

_LEAST_ROUNDS = 3
"""Rounds, that before the first step included, from which a curve is told."""
_LEAST_STEPS = 50
"""Steps before which too little has happened to be judged."""
_WORSE = 0.02
"""How far held-out images may go back from their best round, as a share of the base model's
loss: healthy runs waver by less."""
_HARDLY = 0.02
"""A fall below which a run has learned next to nothing, ..."""
_UNBENT = 0.7
"""... unless its pace has slowed to less than this share of its first: a learning rate that is
right learns fastest at first, one that is far too small goes on as slowly as it began."""
_ROSE = 0.05
"""A rise of the loss of the training images that is no wavering: the rate is too high."""


def overfitting(record: RunRecord) -> Diagnosis:
    """Do held-out images get worse while trained ones go on to get better?"""
    rounds = [v for v in record.validations if v.fall is not None and v.trained_fall is not None]
    if not rounds:
        return unknown(OVERFITTING, *_without_rounds(record))
    last, best = rounds[-1], max(rounds, key=lambda each: each.fall or 0.0)
    if len(rounds) < _LEAST_ROUNDS:
        told = f"{quantity(len(rounds), 'validation round')} so far, and {_LEAST_ROUNDS} are needed"
        return unknown(OVERFITTING, told, "Ask again later, or lower validate_every_epochs.")
    now, top, gap = last.fall or 0.0, best.fall or 0.0, last.gap or 0.0
    told = (
        f"loss of {quantity(len(last.held_out), 'held-out image')}: {_beside(now)} at step"
        f" {last.step}, at its best {_beside(top)} at step {best.step};"
        f" that of {quantity(len(last.trained), 'training image')}:"
        f" {_beside(last.trained_fall or 0.0)}; gap {100 * gap:.0f} points"
    )
    better = (last.trained_fall or 0.0) > (best.trained_fall or 0.0)
    if top - now > _WORSE and better:
        cause = (
            f"Since step {best.step} the run learns its images by heart: they get easier, and"
            " images that it has not seen get harder."
        )
        return found(OVERFITTING, told, cause, _earlier(record, best))
    return fine(OVERFITTING, told)


def _without_rounds(record: RunRecord) -> tuple[str, str]:
    run = record.run
    if run is not None and run.train.validation_fraction and not record.validations:
        return "no validation round yet", "Ask again later."
    exposures = ""
    if record.images and record.images.images:
        each = median(row.exposures for row in record.images.images)
        exposures = f"; each image was shown {each:.0f} times"
    return (
        f"no images are held out, so nothing tells learning from memorising{exposures}",
        f"Hold some out in the next run: {record.command} --set validation_fraction=0.1",
    )


def _earlier(record: RunRecord, best: Validation) -> str:
    """Return how to end where held-out images were best, and which file is nearest to that."""
    change = f"Train no longer than step {best.step}: {record.command} --set max_steps={best.step}"
    if best.step == 0:
        change = "Lower the learning rate to a third"
        if record.run is not None:
            rate = record.run.train.learning_rate / 3
            change = f"Lower the learning rate: {record.command} --set learning_rate={rate:.1g}"
    if record.saved:
        step = min(record.saved, key=lambda saved: abs(saved - best.step))
        change += f". Of the files saved, {record.saved[step]} (step {step}) is the nearest"
    return change + ". More images, or fewer repeats, help more."


def not_learning(record: RunRecord) -> Diagnosis:
    """Has the loss of the training images fallen, and if not: too small a rate, or too large?"""
    rounds = [v for v in record.validations if _learned(v) is not None]
    if len(rounds) < 2:
        change = "Set watched_images = 4." if record.run and not _measures(record) else ""
        return unknown(
            LEARNING, quantity(len(rounds), "validation round"), change or "Ask again later."
        )
    last = rounds[-1]
    fall = _learned(last) or 0.0
    steps = quantity(last.step, "step")
    told = f"the loss on fixed noise is {_beside(fall)} after {steps}{_rates(record)}"
    if fall < -_ROSE:
        cause = "The learning rate is too high: the model forgets instead of learning."
        return found(LEARNING, told, cause, _other_rate(record))
    if last.step < _LEAST_STEPS:
        return unknown(LEARNING, f"{told}; {_LEAST_STEPS} steps are needed", "Ask again later.")
    bend = _bend(rounds, record.metrics)
    if bend is not None:
        told += f"; per learning rate, its second half taught {percent(bend)} of its first"
    if fall < _HARDLY and (bend is None or bend > _UNBENT):
        cause = "Next to nothing was learned: the learning rate is too low, or the run too short."
        return found(LEARNING, told, cause, _other_rate(record, 10.0))
    return fine(LEARNING, told)


def _measures(record: RunRecord) -> bool:
    settings = record.run.train if record.run else None
    return settings is not None and bool(settings.watched_images or settings.validation_fraction)


def _learned(each: Validation) -> float | None:
    """Return the fall of the trained images, or of those held out where none are watched."""
    return each.fall if each.trained_fall is None else each.trained_fall


def _beside(fall: float) -> str:
    share = percent(abs(fall))
    return f"{share} below the base model's" if fall >= 0 else f"{share} above the base model's"


def _bend(rounds: Sequence[Validation], metrics: Sequence[Metric]) -> float | None:
    """Return the pace of learning in the second half of the rounds over that in the first.

    Pace is what is learned by a step per learning rate: schedules lower that towards the end.
    """
    middle = rounds[len(rounds) // 2]
    paces = []
    for start, end in ((rounds[0], middle), (middle, rounds[-1])):
        moved = sum(m.learning_rate or 0.0 for m in metrics if start.step < m.step <= end.step)
        if not moved:
            return None
        paces.append(((_learned(end) or 0.0) - (_learned(start) or 0.0)) / moved)
    return paces[1] / paces[0] if len(rounds) >= _LEAST_ROUNDS and paces[0] > 0 else None


def _rates(record: RunRecord) -> str:
    rates = record.metrics[-1].rates if record.metrics else {}
    if record.run is None or not rates:
        return ""
    peak = {part: max(m.rates.get(part, 0.0) for m in record.metrics) for part in rates}
    told = ", ".join(f"{rate:.2g} ({part})" for part, rate in peak.items())
    return f"; optimiser: {record.run.train.optimizer} at {told}"


def _other_rate(record: RunRecord, factor: float | None = None) -> str:
    """Return how to begin again with another learning rate; without ``factor`` a lower one."""
    shikomi = record.command.replace("shikomi train", "shikomi rates")
    if record.run is None:
        return f"Find a learning rate: {shikomi}"
    if record.run.train.optimizer == "prodigy":
        return 'prodigy finds the rate itself: raise epochs, or choose optimizer = "adamw".'
    settings = record.run.train
    rate = settings.learning_rate * factor if factor else settings.lower_rate()
    return f"{record.command} --set learning_rate={rate:.1g} (or find one: {shikomi})"


def not_a_number(record: RunRecord) -> Diagnosis:
    """Did the loss become NaN or infinite?"""
    failure = record.failure
    norms = [m.gradient_norm for m in record.metrics if m.gradient_norm is not None]
    told = _figures(record.metrics, norms)
    if failure is not None and "NaN or infinite" in failure.message:
        precision = record.precision.partition(":")[0]
        told = f"{failure.message.rstrip('.')}; {told}; computed in {precision or '?'}"
        if precision == "fp16" or precision == "float16":
            cause = "fp16 overflows where bf16 and fp32 do not."
            return found(NAN, told, cause, f"{record.command} --set precision=bf16 (or fp32)")
        cause = "The weights grew without bounds: the learning rate is too high."
        return found(NAN, told, cause, _other_rate(record))
    if not record.metrics:
        return unknown(NAN, "no step was done yet")
    return fine(NAN, told)


def _figures(metrics: Sequence[Metric], norms: Sequence[float]) -> str:
    losses = [m.loss for m in metrics if m.loss is not None and math.isfinite(m.loss)]
    if not losses:
        return "no loss before it"
    told = english(
        "{count} loss, from {low} to {high}",
        "{count} losses, from {low} to {high}",
        len(losses),
        low=f"{min(losses):.4f}",
        high=f"{max(losses):.4f}",
    )
    if norms:
        told += f"; length of the gradient {median(norms):.2g} (median), {max(norms):.2g} at most"
    return told
